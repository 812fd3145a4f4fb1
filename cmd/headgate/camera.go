package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headgate/gateway"
)

func (a *app) camera() *cobra.Command {
	cmd := a.withData(&cobra.Command{
		Use:   "camera",
		Short: "Add cameras, see where footage is, cut clips",
		Long: `A camera is a stream of footage. It publishes by WHIP (a browser at /publish/NAME
does), or is fetched by RTSP; it is watched by WHEP (a browser at /watch/NAME).`,
		Example: `  headgate camera add door --retention 7d
  headgate camera add yard --rtsp rtsp://192.0.2.7/stream1 --username viewer --password-file /etc/headgate/yard
  headgate camera list
  headgate camera timeline door --start -24h
  headgate camera export door door.mkv --start -10m --end -9m --telemetry telemetry`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.cameraList(cmd) },
	})
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "Show the cameras", Args: noArgs, Example: "  headgate camera list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.cameraList(cmd) },
	}, a.cameraAdd(), a.cameraRemove(), a.cameraToken(), a.cameraTelemetry(), a.cameraTimeline(), a.cameraExport(), a.cameraDiscover())
	return cmd
}

func (a *app) cameraList(cmd *cobra.Command) error {
	all, err := a.client().Cameras(cmd.Context())
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(a.term.out, "there are no cameras: make one with headgate camera add NAME")
		return err
	}
	var rows [][]string
	for _, c := range all {
		state := "quiet"
		if c.Live {
			state = "live"
		}
		if c.Fault != "" {
			state = c.Fault
		}
		rows = append(rows, []string{c.Name, c.Source, state, timeText(c.Oldest), timeText(c.Latest), bytesText(c.Stored), span(c.Retention)})
	}
	return a.table("CAMERA SOURCE STATE OLDEST LATEST STORED RETENTION", rows)
}

// camerasText is the cameras in one line, "" when there are none.
func camerasText(s gateway.Status) string {
	if len(s.Cameras) == 0 {
		return ""
	}
	live, frames, dropped := 0, uint64(0), uint64(0)
	for _, c := range s.Cameras {
		if c.Live {
			live++
		}
		frames, dropped = frames+c.Frames, dropped+c.Dropped
	}
	text := fmt.Sprintf("%d, %d live, %s frames taken", len(s.Cameras), live, count(frames))
	if s.WebRTC != nil {
		text += fmt.Sprintf(", %d watching, %s packets lost for good", s.WebRTC.Watching, count(s.WebRTC.Lost))
	}
	if dropped > 0 {
		text += fmt.Sprintf(", %s parts given up: the log is slower than the cameras", count(dropped))
	}
	return text
}

func (a *app) cameraAdd() *cobra.Command {
	var spec gateway.CameraSpec
	var rtsp gateway.RTSPConfig
	var password string
	var telemetry []string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Make a camera, and print its tokens once", Args: exactArgs(1),
		Example: "  headgate camera add door --retention 7d --telemetry telemetry",
		RunE: func(cmd *cobra.Command, args []string) error {
			spec.Name = args[0]
			if rtsp.URL != "" {
				spec.RTSP = &rtsp
				if password != "" {
					full, err := filepath.Abs(password)
					if err != nil {
						return usageError{err}
					}
					rtsp.Password = &gateway.Secret{File: full}
				}
			}
			spec.Telemetry = telemetry
			t, err := a.client().AddCamera(cmd.Context(), spec)
			return a.showTokens(cmd, t, err)
		},
	}
	cmd.Flags().StringVar(&spec.Retention, "retention", "", "how long footage is kept, 24h to 365d (default 24h)")
	cmd.Flags().StringVar(&rtsp.URL, "rtsp", "", "address of a camera that is fetched: rtsp://HOST/PATH")
	cmd.Flags().StringVar(&rtsp.Username, "username", "", "whom the camera knows us as")
	cmd.Flags().StringVar(&password, "password-file", "", "file that holds the password; each gateway of the site must have it")
	cmd.Flags().BoolVar(&rtsp.UDP, "udp", false, "fetch media by UDP instead of inside the connection")
	cmd.Flags().StringSliceVar(&telemetry, "telemetry", nil, "streams that whoever watches may see beside clips")
	return cmd
}

// showTokens prints a camera's tokens and where to use them.
func (a *app) showTokens(cmd *cobra.Command, t gateway.CameraTokens, err error) error {
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(t)
	}
	s, err := a.client().Status(cmd.Context())
	if err != nil {
		return err
	}
	base := "http://" + reachable(s.Addresses.Console)
	if s.Addresses.HTTPS != "" {
		base = "https://" + reachable(s.Addresses.HTTPS)
	}
	fmt.Fprintf(a.term.out, "camera %s; the tokens are shown nowhere else\n", t.Camera)
	fmt.Fprintf(a.term.out, "publish  %s/publish/%s#token=%s\n", base, url.PathEscape(t.Camera), t.Publish)
	fmt.Fprintf(a.term.out, "watch    %s/watch/%s#token=%s\n", base, url.PathEscape(t.Camera), t.View)
	fmt.Fprintf(a.term.out, "WHIP     %s/whip/%s  Authorization: Bearer %s\n", base, url.PathEscape(t.Camera), t.Publish)
	if s.Addresses.Media == "" {
		fmt.Fprintln(a.term.out, "! WebRTC is off: start the gateway with --media 127.0.0.1:8189 (0.0.0.0:8189 for the network)")
	}
	return nil
}

// reachable is an address as others type it: one that listens everywhere is
// reached at an address of this box.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
		return address
	}
	here, _ := net.InterfaceAddrs() // without them the name has to do
	for _, one := range here {
		if n, ok := one.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return net.JoinHostPort(n.IP.String(), port)
		}
	}
	name, err := os.Hostname()
	if err != nil {
		return address
	}
	return net.JoinHostPort(name, port)
}

func (a *app) cameraRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Delete a camera and its footage", Args: exactArgs(1), Example: "  headgate camera remove door",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().RemoveCamera(cmd.Context(), args[0]); err != nil {
				return err
			}
			if !a.json() {
				fmt.Fprintf(a.term.out, "%s is deleted\n", args[0])
			}
			return nil
		},
	}
}

func (a *app) cameraToken() *cobra.Command {
	return &cobra.Command{
		Use: "token NAME", Short: "Make new tokens of a camera; the old ones end", Args: exactArgs(1), Example: "  headgate camera token door",
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.client().RenewCameraTokens(cmd.Context(), args[0])
			return a.showTokens(cmd, t, err)
		},
	}
}

func (a *app) cameraTelemetry() *cobra.Command {
	return &cobra.Command{
		Use: "telemetry NAME [STREAM…]", Short: "Say which streams go with a camera's clips", Args: usage(cobra.MinimumNArgs(1)),
		Example: "  headgate camera telemetry door telemetry\n  headgate camera telemetry door    (none)",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.client().AccompanyCamera(cmd.Context(), args[0], args[1:])
		},
	}
}

// stretch are the flags of a stretch of time.
func stretch(cmd *cobra.Command, usual string) (start, end *string) {
	start = cmd.Flags().String("start", usual, "first moment: 2026-11-27T12:00:00Z, milliseconds since 1970, or a span before now")
	end = cmd.Flags().String("end", "now", "last moment")
	return start, end
}

func (a *app) cameraTimeline() *cobra.Command {
	cmd := &cobra.Command{
		Use: "timeline NAME", Short: "Show where footage is, and why it is not elsewhere", Args: exactArgs(1),
		Example: "  headgate camera timeline door --start -7d",
	}
	start, end := stretch(cmd, "-24h")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var text strings.Builder
		err := a.client().Footage(cmd.Context(), args[0], "timeline.json", times(*start, *end), &text)
		if err != nil {
			return err
		}
		if a.json() {
			_, err := io.WriteString(a.term.out, text.String())
			return err
		}
		var line struct {
			Takes []struct {
				From, To time.Time
				After    string
				Unsynced bool
				Tracks   []struct {
					Codec         string
					Width, Height int
				}
			}
		}
		if err := json.Unmarshal([]byte(text.String()), &line); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		var rows [][]string
		for _, r := range line.Takes {
			var tracks []string
			for _, t := range r.Tracks {
				name := t.Codec
				if t.Width > 0 {
					name += fmt.Sprintf(" %d×%d", t.Width, t.Height)
				}
				tracks = append(tracks, name)
			}
			rows = append(rows, []string{timeText(r.From), timeText(r.To), span(r.To.Sub(r.From)), r.After, strings.Join(tracks, ", ")})
		}
		return a.table("FROM TO LENGTH BEFORE TRACKS", rows)
	}
	return cmd
}

// times are the query of a stretch of time; days are written as people do.
func times(start, end string) url.Values {
	return url.Values{"start": {inHours(start)}, "end": {inHours(end)}}
}

func inHours(text string) string {
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		if d, err := gateway.ParseDuration(rest); err == nil {
			return "-" + time.Duration(d).String()
		}
	}
	return text
}

func (a *app) cameraExport() *cobra.Command {
	var telemetry, key string
	cmd := &cobra.Command{
		Use: "export NAME FILE", Short: "Cut a clip into a file: .mkv, .webm, .mp4, .csv, .vtt or .json (manifest); - is MKV to standard output", Args: exactArgs(2),
		Example: `  headgate camera export door door.mp4 --start -10m --end -9m
  headgate camera export door - --start -1m | ffplay -
  headgate camera export door door.csv --start -10m --telemetry telemetry --key sensor-1`,
	}
	start, end := stretch(cmd, "-1m")
	cmd.Flags().StringVar(&telemetry, "telemetry", "", "stream whose records go with the clip")
	cmd.Flags().StringVar(&key, "key", "", "partition key of those records (default: all)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := times(*start, *end)
		if telemetry != "" {
			query.Set("telemetry", telemetry)
		}
		if key != "" {
			query.Set("key", key)
		}
		if args[1] == "-" {
			return a.client().Footage(cmd.Context(), args[0], "clip.mkv", query, a.term.out)
		}
		suffix := filepath.Ext(args[1])
		switch suffix {
		case ".mkv", ".webm", ".mp4", ".csv", ".vtt", ".json":
		default:
			return usageError{fmt.Errorf("%s: write a file that ends in .mkv, .webm, .mp4, .csv, .vtt or .json", args[1])}
		}
		return a.exportTo(cmd, args[0], args[1], query)
	}
	return cmd
}

// exportTo writes a file beside its name and puts it there when it is whole.
func (a *app) exportTo(cmd *cobra.Command, camera, name string, query url.Values) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".clip-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	err = a.client().Footage(cmd.Context(), camera, "clip"+filepath.Ext(name), query, file)
	if e := file.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err == nil && !a.json() {
		fmt.Fprintf(a.term.out, "%s: %s\n", name, bytesText(uint64(info.Size())))
	}
	return err
}
