package gateway

import (
	"context"
	"time"

	"headgate/ingest/onvif"
)

// FoundCamera is a camera that answered on the network.
type FoundCamera struct {
	onvif.Device
	Streams []FoundStream `json:"streams,omitempty"`
	Fault   string        `json:"fault,omitempty"` // why it does not tell its streams
}

// FoundStream is one stream of such a camera.
type FoundStream struct {
	Name, Codec   string
	Width, Height int
	URL           string
}

// DiscoverCameras asks the network for cameras by ONVIF, for so long, and those
// that answer for their streams. Nothing is asked unless this is called.
func DiscoverCameras(ctx context.Context, long time.Duration, username, password string, addresses ...string) ([]FoundCamera, error) {
	search, stop := context.WithTimeout(ctx, long)
	defer stop()
	devices, err := onvif.Discover(search, addresses...)
	if err != nil {
		return nil, err
	}
	all := []FoundCamera{}
	for _, d := range devices {
		one := FoundCamera{Device: d}
		if one.Streams, err = streamsOf(ctx, &onvif.Client{Address: d.Address, Username: username, Password: password}); err != nil {
			one.Fault = err.Error()
		}
		all = append(all, one)
	}
	return all, nil
}

func streamsOf(ctx context.Context, c *onvif.Client) ([]FoundStream, error) {
	if err := c.Open(ctx); err != nil {
		return nil, err
	}
	profiles, err := c.Profiles(ctx)
	if err != nil {
		return nil, err
	}
	var all []FoundStream
	for _, p := range profiles {
		url, err := c.StreamURI(ctx, p.Token)
		if err != nil {
			return all, err
		}
		all = append(all, FoundStream{p.Name, p.Codec, p.Width, p.Height, url})
	}
	return all, nil
}
