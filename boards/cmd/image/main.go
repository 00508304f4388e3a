// Command image builds the image of a board, and the bundle that updates it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/courtside-edge/courtside/boards/board"
	"github.com/courtside-edge/courtside/boards/image"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("image", flag.ContinueOnError)
	name := f.String("board", "", "folder below boards/")
	repo := f.String("repo", ".", "the repository")
	out := f.String("out", "bin/images", "where the results stand, a folder a board")
	work := f.String("work", "tmp/images", "where images are made, a folder a board")
	cache := f.String("cache", "", "what later builds use again; ~/.cache/courtside")
	keys := f.String("keys", "", "folder with keyring.pem, sign.crt and sign.key; keys of development unless given")
	version := f.String("version", "", "of the image, numbers and dots; the newest commit's date unless given")
	mirror := f.String("mirror", "", "Debian's archive, such as http://deb.debian.org")
	stale := f.Bool("stale-archive", false, "take an archive whose index is past its date")
	tools := f.Bool("tools", false, "print the Debian packages of the host that are missing, and end")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *tools {
		for _, t := range image.Tools() {
			fmt.Println(t.Package)
		}
		return nil
	}
	b, err := choose(filepath.Join(*repo, "boards"), *name)
	if err != nil {
		return err
	}
	epoch, err := commitTime(ctx, *repo)
	if err != nil {
		return err
	}
	if *version == "" {
		*version = epoch.UTC().Format("20060102.150405")
	}
	if *cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("-cache: %w", err)
		}
		*cache = filepath.Join(dir, "courtside")
	}
	o := image.Options{Board: b, Keys: *keys, Version: *version, Epoch: epoch, Mirror: *mirror, StaleArchive: *stale, Log: os.Stderr}
	for to, from := range map[*string]string{&o.Repo: *repo, &o.Out: filepath.Join(*out, b.ID), &o.Work: filepath.Join(*work, b.ID), &o.Cache: *cache} {
		if *to, err = filepath.Abs(from); err != nil {
			return err
		}
	}
	build := image.Build{Options: o}
	return build.Run(ctx)
}

// choose returns the board of a name, or an error that names those that are there.
func choose(dir, name string) (board.Board, error) {
	all, err := board.All(dir)
	if err != nil {
		return board.Board{}, err
	}
	var names []string
	for _, b := range all {
		if b.ID == name {
			return b, nil
		}
		names = append(names, b.ID)
	}
	return board.Board{}, fmt.Errorf("-board %q: one of %s", name, strings.Join(names, ", "))
}

// commitTime is the newest commit's date, by which everything in an image is dated.
func commitTime(ctx context.Context, repo string) (time.Time, error) {
	cmd := exec.CommandContext(ctx, "git", "-C", repo, "log", "-1", "--format=%ct")
	out, err := cmd.Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("the newest commit's date: %w", err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the newest commit's date: %w", err)
	}
	return time.Unix(n, 0), nil
}
