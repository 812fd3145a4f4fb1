package delivery

import "headgate/firehose"

// codecs are the encoders of a format: of what is delivered, and of the error
// records, which are lines whatever the others are.
type codecs struct{ data, lines firehose.Encoder }

func (d *Delivery) codecs(f firehose.Format) (c codecs, err error) {
	if c.data, err = d.c.Encoder(f); err != nil {
		return codecs{}, err
	}
	c.lines, err = d.c.Encoder(f.Lines())
	return c, err
}
