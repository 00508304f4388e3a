package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/courtside-edge/courtside/cloud/api"
	"github.com/courtside-edge/courtside/cloud/venue"
	"github.com/courtside-edge/courtside/sync/point"
)

// asker asks the running aggregator on this machine.
type asker struct {
	config, api string
	client      http.Client
}

func (f *asker) flags(c *cobra.Command) {
	c.PersistentFlags().StringVarP(&f.config, "config", "c", "/etc/courtside/aggregator.yaml", "configuration file; says where the API listens")
	c.PersistentFlags().StringVar(&f.api, "api", "", "address of the API, instead of the configuration's")
}

// reach finds the API.
func (f *asker) reach() error {
	if f.api != "" {
		return nil
	}
	cfg, err := load(f.config)
	if err != nil {
		return fmt.Errorf("the configuration says where the API listens; mend it, or give --api instead: %w", err)
	}
	f.api = local(cfg.API.Listen)
	return nil
}

// frames looks at frames of one venue: the log has one owner at a time, and trying a frame again changes the state.
type frames struct {
	asker
	venue string
}

func framesCommand() *cobra.Command {
	f := &frames{asker: asker{client: http.Client{Timeout: 30 * time.Second}}}
	c := &cobra.Command{Use: "frames", Short: "Look at what was set aside, and try it again",
		Long: "Frames that cannot be used stay in the log, listed by offset and reason. These commands ask the running aggregator on this machine."}
	f.flags(c)
	c.PersistentFlags().StringVar(&f.venue, "venue", "", "venue; needed when there are several")
	list := &cobra.Command{Use: "list", Short: "List what is set aside", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.list(c.Context(), c.OutOrStdout()) }}
	show := &cobra.Command{Use: "show OFFSET", Short: "Show one frame: header, reason, samples and bytes", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return f.show(c.Context(), c.OutOrStdout(), args[0]) }}
	all := false
	again := &cobra.Command{Use: "reprocess OFFSET… | --all", Short: "Try frames again, say after a device was granted or a program updated",
		RunE: func(c *cobra.Command, args []string) error {
			return f.reprocess(c.Context(), c.OutOrStdout(), args, all)
		}}
	again.Flags().BoolVar(&all, "all", false, "every frame of the venue that is set aside")
	c.AddCommand(list, show, again)
	return c
}

// place finds the API and the venue.
func (f *frames) place(ctx context.Context) error {
	if err := f.reach(); err != nil {
		return err
	}
	if f.venue != "" {
		return nil
	}
	var list api.VenuesAnswer
	if err := f.ask(ctx, http.MethodGet, "/v1/venues", &list); err != nil {
		return err
	}
	if len(list.Venues) != 1 {
		var ids []point.ID
		for _, v := range list.Venues {
			ids = append(ids, v.Venue)
		}
		return fmt.Errorf("the aggregator has the venues %v; choose one with --venue", ids)
	}
	f.venue = string(list.Venues[0].Venue)
	return nil
}

// local turns an address to listen on into one to dial on this machine.
func local(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// ask sends one request and reads the answer into out.
func (f *asker) ask(ctx context.Context, method, path string, out any) error {
	return f.send(ctx, method, path, nil, out)
}

func (f *asker) send(ctx context.Context, method, path string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+f.api+path, body)
	if err != nil {
		return err
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking the aggregator, which has to run: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("reading the answer to %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		var problem struct{ Detail string }
		if json.Unmarshal(b, &problem) != nil || problem.Detail == "" {
			problem.Detail = resp.Status
		}
		return fmt.Errorf("the aggregator says: %s", problem.Detail)
	}
	return json.Unmarshal(b, out)
}

func (f *frames) listed(ctx context.Context) (a api.FramesAnswer, err error) {
	if err := f.place(ctx); err != nil {
		return a, err
	}
	return a, f.ask(ctx, http.MethodGet, "/v1/venues/"+f.venue+"/frames", &a)
}

func (f *frames) list(ctx context.Context, w io.Writer) error {
	a, err := f.listed(ctx)
	if err != nil {
		return err
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "OFFSET\tGATEWAY\tRECEIVED\tBYTES\tREASON\tDETAIL")
	for _, s := range a.Frames {
		fmt.Fprintf(tab, "%d\t%s\t%s\t%d\t%s\t%s\n", s.Offset, s.Gateway, s.Received.Format(time.RFC3339), s.Bytes, s.Reason, s.Detail)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	return summarise(w, a.Frames)
}

func (f *frames) show(ctx context.Context, w io.Writer, offset string) error {
	if _, err := strconv.ParseUint(offset, 10, 64); err != nil {
		return usage("frames show", "%q is not an offset; frames list shows them", offset)
	}
	if err := f.place(ctx); err != nil {
		return err
	}
	var a venue.FrameView
	if err := f.ask(ctx, http.MethodGet, "/v1/venues/"+f.venue+"/frames/"+offset, &a); err != nil {
		return err
	}
	fmt.Fprintf(w, "offset    %d\ngateway   %s\nreceived  %s\nkind      %s, %d bytes\nreason    %s: %s\n",
		a.Offset, a.Gateway, a.Received.Format(time.RFC3339Nano), a.Kind, a.Bytes, a.Reason, a.Detail)
	if h := a.Header; h != nil {
		fmt.Fprintf(w, "batch     %s %s %d\ntable     %s\ncontent   %d samples, %d bytes inflated, mono %d to %d\n",
			h.Epoch, h.Lane, h.Seq, h.Table, h.Samples, h.RawSize, h.First, h.Last)
	}
	if a.Error != "" {
		fmt.Fprintf(w, "decoding  %s\n", a.Error)
	}
	for _, s := range a.Samples {
		fmt.Fprintf(w, "  %s  %s = %v  %s\n", s.At.Format(time.RFC3339Nano), s.Point, s.Value, s.Quality)
	}
	_, err := fmt.Fprintf(w, "\n%s", a.Dump)
	return err
}

func (f *frames) reprocess(ctx context.Context, w io.Writer, offsets []string, all bool) error {
	if all == (len(offsets) > 0) {
		return usage("frames reprocess", "give the offsets of frames, or --all")
	}
	a, err := f.listed(ctx)
	if err != nil {
		return err
	}
	if all {
		for _, s := range a.Frames {
			offsets = append(offsets, strconv.FormatUint(s.Offset, 10))
		}
	}
	refused := 0
	for _, off := range offsets {
		var got api.ReprocessAnswer
		switch err := f.ask(ctx, http.MethodPost, "/v1/venues/"+f.venue+"/frames/"+off+"/reprocess", &got); {
		case err != nil:
			return err
		case got.Applied:
			fmt.Fprintf(w, "%s: applied\n", off)
		default:
			refused++
			fmt.Fprintf(w, "%s: %s\n", off, got.Error)
		}
	}
	if refused > 0 {
		return fmt.Errorf("%d of %d frames are set aside again", refused, len(offsets))
	}
	return nil
}
