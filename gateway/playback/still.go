package playback

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"

	"golang.org/x/image/vp8"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// still answers the key frame at or before a time as JPEG. Only VP8 can be
// decoded here; browsers draw the stills of other codecs themselves.
func (p *Player) still(a *ask) error {
	at, err := p.moment(a, "at", p.config.Now().UnixMilli())
	if err != nil {
		return err
	}
	key, err := a.footage.Key(a.r.Context(), at)
	if err != nil {
		return err
	}
	t, ok := key.Track(chunk.VideoTrack)
	if !ok || t.Codec != chunk.VP8 {
		return invalid("stills are made of VP8 alone: draw others from a clip that starts there")
	}
	for _, f := range key.Frames {
		if f.Track != chunk.VideoTrack || !f.Key {
			continue
		}
		picture, err := decodeVP8(f.Data)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: 80}); err != nil {
			return err
		}
		a.w.Header().Set("Content-Type", "image/jpeg")
		a.w.Header().Set("Last-Modified", millis(f.At).Format("Mon, 02 Jan 2006 15:04:05 GMT"))
		_, err = a.w.Write(b.Bytes())
		return ignoreGone(err)
	}
	return &shardlog.Error{Kind: shardlog.NotFound, Op: "find still", Stream: a.camera, Err: errors.New("there is no key frame")}
}

// maxPixels bounds a picture that is decoded.
const maxPixels = 4096 * 2304

func decodeVP8(data []byte) (image.Image, error) {
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(data), len(data))
	h, err := d.DecodeFrameHeader()
	if err != nil || !h.KeyFrame || h.Width*h.Height > maxPixels {
		return nil, shardlog.Errorf(shardlog.Corrupt, "decode still", "no key frame of VP8 that can be shown")
	}
	picture, err := d.DecodeFrame()
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Corrupt, "decode still", "%w", err)
	}
	return picture, nil
}
