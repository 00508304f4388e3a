package ctl

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/firmware/diag"
)

func bundleCommand(o *asker) *cobra.Command {
	c := &cobra.Command{Use: "support-bundle", Short: "One archive with everything that helps from afar, secrets removed; its contents are listed before it is written", Args: cobra.NoArgs}
	file := c.Flags().StringP("file", "f", "", "where to; courtside-support-TIME.tar.gz unless given")
	list := c.Flags().Bool("list", false, "list only, write nothing")
	c.RunE = func(c *cobra.Command, _ []string) error {
		now := time.Now().UTC()
		if *file == "" {
			*file = "courtside-support-" + now.Format("20060102-150405") + ".tar.gz"
		}
		members := o.collect(c.Context())
		w := c.OutOrStdout()
		err := o.print(w, members, func(w io.Writer) error {
			return table(w, func(t io.Writer) {
				for _, m := range members {
					fmt.Fprintf(t, "%s\t%d bytes\t%s\n", m.Name, m.Size, m.What)
				}
			})
		})
		if err != nil || *list {
			return err
		}
		if err := writeBundle(*file, members, now); err != nil {
			return err
		}
		if o.output == "text" {
			_, err = fmt.Fprintf(w, "written to %s; look through it before you send it\n", *file)
		}
		return err
	}
	return c
}

// entry is one file of a bundle.
type entry struct {
	Name string `json:"name"`
	Size int    `json:"bytes"`
	What string `json:"what"`
	text []byte
}

// collect asks for everything; what cannot be had is there as the reason why.
func (o *asker) collect(ctx context.Context) (all []entry) {
	client := o.client()
	add := func(name, what string, text []byte, err error) {
		if err != nil {
			text = []byte("not available: " + err.Error() + "\n")
		}
		text = scrub(text)
		all = append(all, entry{name, len(text), what, text})
	}
	object := func(name, what string, ask func() (any, error)) {
		v, err := ask()
		var text []byte
		if err == nil {
			text, err = json.MarshalIndent(v, "", "  ")
		}
		add(name, what, text, err)
	}
	add("version.txt", "of gwctl", []byte(o.version+"\n"), nil)
	object("status.json", "the gateway at this moment", func() (any, error) { return client.Status(ctx) })
	object("doctor.json", "what its checks found", func() (any, error) { return client.Doctor(ctx) })
	object("spool.json", "what waits for the cloud", func() (any, error) { return client.Storage(ctx) })
	object("uplink.json", "the way to the broker", func() (any, error) { return client.Connection(ctx) })
	object("bad-points.json", "points that are not good", func() (any, error) { return client.Points(ctx, diag.Query{Bad: true}) })
	object("logs.json", "the newest log records", func() (any, error) { return client.Logs(ctx) })
	if s, err := client.Status(ctx); err == nil {
		for _, d := range s.Devices {
			object("plans/"+d.Device+".json", "how it is read", func() (any, error) { return client.Plan(ctx, d.Device) })
		}
	}
	text, err := client.Configuration(ctx)
	add("gateway.yaml", "the configuration, secrets removed", []byte(text), err)
	for _, path := range []string{"/proc/version", "/proc/meminfo", "/proc/mounts", "/proc/loadavg", "/etc/os-release"} {
		text, err := os.ReadFile(path)
		add("system"+path, "of the machine", text, err)
	}
	return all
}

// scrub takes out what must not leave the device, wherever it stands: private keys, join tokens, and users and passwords in addresses.
func scrub(text []byte) []byte {
	key := regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----`)
	user := regexp.MustCompile(`(://)[^/@\s"']+@`)
	token := regexp.MustCompile(`courtside-join-\d+\.[\w-]+`)
	text = token.ReplaceAll(key.ReplaceAll(text, []byte("PRIVATE KEY REMOVED")), []byte("JOIN TOKEN REMOVED"))
	return user.ReplaceAll(text, []byte("${1}REMOVED@"))
}

// writeBundle writes the archive in one step: a bundle is whole or not there.
func writeBundle(path string, members []entry, now time.Time) error {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	for _, m := range members {
		h := &tar.Header{Name: "courtside-support/" + m.Name, Mode: 0o600, Size: int64(len(m.text)), ModTime: now, Format: tar.FormatPAX}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("writing the bundle: %w", err)
		}
		if _, err := t.Write(m.text); err != nil {
			return fmt.Errorf("writing the bundle: %w", err)
		}
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	part := filepath.Clean(path) + ".part"
	if err := os.WriteFile(part, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	return nil
}
