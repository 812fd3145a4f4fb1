package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"headgate/firmware-sim/camera"
)

// cameraFlags are the flags of camera, as typed.
type cameraFlags struct {
	conf          camera.Config
	tokenFile     string
	size, bitrate string
	audio, loss   string
	cameras       int
	duration      time.Duration
	ledger        string
	output        string
}

func cameraCommand() *cobra.Command {
	var f cameraFlags
	c := &cobra.Command{
		Use:   "camera",
		Short: "Publish generated video and audio by WHIP",
		Long: `Publish generated video (H.264 that shows its frame numbers) and audio by WHIP,
until Ctrl-C or for a time. {n} in the URL and in the token is the number of the
camera, from 1. Fails when a camera was never connected.`,
		Example: `  firmware-sim camera --whip http://127.0.0.1:8080/whip/door --token T
  firmware-sim camera --whip http://127.0.0.1:8080/whip/cam{n} --token T --cameras 4 --loss 5% --for 30s -o json
  firmware-sim camera --whip http://127.0.0.1:8080/whip/hall --token T --size none --audio pcmu`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	s := c.Flags()
	s.StringVar(&f.conf.Endpoint, "whip", "", "URL of the WHIP endpoint")
	s.StringVar(&f.conf.Token, "token", "", "bearer token")
	s.StringVar(&f.tokenFile, "token-file", "", "file that holds the bearer token")
	s.StringVar(&f.size, "size", "1280x720", "size of the picture, or none for a microphone only")
	s.IntVar(&f.conf.Video.FPS, "fps", 30, "frames a second")
	s.StringVar(&f.bitrate, "bitrate", "2M", "bits a second of the video, with k or M")
	s.IntVar(&f.conf.Video.GOP, "gop", 0, "frames from keyframe to keyframe (default two seconds)")
	s.StringVar(&f.audio, "audio", "opus", "opus (silence), pcmu or pcma (a beep each second), or none")
	s.StringVar(&f.loss, "loss", "0%", "share of the RTP packets that get lost")
	s.IntVar(&f.conf.Loss.Burst, "burst", 1, "packets lost in a row")
	s.Uint64Var(&f.conf.Seed, "seed", 1, "seed of the losses")
	s.IntVar(&f.cameras, "cameras", 1, "number of cameras")
	s.DurationVar(&f.duration, "for", 0, "stop after this long (default: until stopped)")
	s.StringVar(&f.ledger, "ledger", "", "file for the frames sent, a JSON object a line; {n} as in the URL")
	s.StringVarP(&f.output, "output", "o", "text", "how totals are printed: text or json")
	return c
}

func (f *cameraFlags) run(c *cobra.Command) error {
	conf, err := f.config()
	if err != nil {
		return err
	}
	if f.cameras < 1 || f.output != "text" && f.output != "json" {
		return usageError{errors.New("--cameras is at least 1, and --output is text or json")}
	}
	cameras := make([]*camera.Camera, f.cameras)
	for i := range cameras {
		own := conf
		own.Endpoint, own.Token, own.Seed = numbered(conf.Endpoint, i), numbered(conf.Token, i), conf.Seed+uint64(i)
		if cameras[i], err = camera.New(own); err != nil {
			return usageError{err}
		}
	}
	ctx := c.Context()
	if f.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}
	var all errgroup.Group
	for _, one := range cameras {
		all.Go(func() error { return one.Run(ctx) })
	}
	if err := all.Wait(); err != nil {
		return err
	}
	return f.finish(c, cameras)
}

// finish writes the ledgers and prints the totals.
func (f *cameraFlags) finish(c *cobra.Command, cameras []*camera.Camera) error {
	var total camera.Stats
	never := 0
	for i, one := range cameras {
		s := one.Stats()
		if total = total.Plus(s); s.Sessions == 0 {
			never++
		}
		if f.ledger != "" {
			if err := writeLedger(numbered(f.ledger, i), one.Ledger()); err != nil {
				return err
			}
		}
	}
	if err := printCameras(c.OutOrStdout(), f.output, len(cameras), total); err != nil {
		return err
	}
	if never > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "%d of %d cameras were never connected: %s\n", never, len(cameras), total.LastError)
		return errFailed
	}
	return nil
}

func numbered(pattern string, i int) string {
	return strings.ReplaceAll(pattern, "{n}", strconv.Itoa(i+1))
}

// config turns what was typed into a configuration.
func (f *cameraFlags) config() (camera.Config, error) {
	conf := f.conf
	conf.Audio = camera.Sound(f.audio)
	if f.size == "none" {
		conf.Video.Off = true
	} else if width, height, err := parseSize(f.size); err != nil {
		return conf, usageError{err}
	} else {
		conf.Video.Width, conf.Video.Height = width, height
	}
	var err error
	if conf.Video.BitsPerSecond, err = parseRate(f.bitrate); err != nil {
		return conf, usageError{err}
	}
	if conf.Loss.Share, err = parseShare(f.loss); err != nil {
		return conf, usageError{err}
	}
	if f.tokenFile != "" {
		token, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return conf, fmt.Errorf("read token: %w", err)
		}
		conf.Token = string(bytes.TrimSpace(token))
	}
	return conf, nil
}

func parseSize(text string) (width, height int, err error) {
	before, after, ok := strings.Cut(text, "x")
	width, widthErr := strconv.Atoi(before)
	height, heightErr := strconv.Atoi(after)
	if !ok || widthErr != nil || heightErr != nil {
		return 0, 0, fmt.Errorf("size %q is neither like 1280x720 nor none", text)
	}
	return width, height, nil
}

// parseRate reads bits a second, 500k or 4M.
func parseRate(text string) (int, error) {
	unit := 1.0
	digits := text
	if cut, ok := strings.CutSuffix(text, "k"); ok {
		digits, unit = cut, 1e3
	} else if cut, ok := strings.CutSuffix(text, "M"); ok {
		digits, unit = cut, 1e6
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(n > 0 && n*unit <= 1e9) {
		return 0, fmt.Errorf("bit rate %q is not like 500k or 4M", text)
	}
	return int(n * unit), nil
}

// parseShare reads a share, 5% or 0.05.
func parseShare(text string) (float64, error) {
	digits, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, fmt.Errorf("share %q is not like 5%%", text)
	}
	if percent {
		n /= 100
	}
	return n, nil
}

func writeLedger(path string, frames []camera.Frame) error {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, f := range frames {
		if err := encoder.Encode(f); err != nil {
			return err
		}
	}
	return os.WriteFile(path, lines.Bytes(), 0o600)
}

func printCameras(out io.Writer, output string, cameras int, s camera.Stats) error {
	if output == "json" {
		return json.NewEncoder(out).Encode(struct {
			Cameras int `json:"cameras"`
			camera.Stats
		}{cameras, s})
	}
	_, err := fmt.Fprintf(out, `cameras       %d, %d sessions, %d failures
frames        %d, %d keyframes
packets       %d of video, %d of audio, %d sent again, %d dropped
bytes         %d
asked for     %d keyframes, %d packets in %d NACKs
`, cameras, s.Sessions, s.Failures, s.Frames, s.Keyframes, s.VideoPackets, s.AudioPackets, s.Retransmitted, s.Dropped,
		s.Bytes, s.PLIs, s.Requested, s.NACKs)
	if err == nil && s.LastError != "" {
		_, err = fmt.Fprintf(out, "last error    %s\n", s.LastError)
	}
	return err
}
