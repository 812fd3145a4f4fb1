package videoapi

import (
	"errors"
	"io"

	"headgate/shardlog"
)

// fault is why a PutMedia ends, as its last acknowledgement says.
type fault struct {
	id   int
	code string
	torn bool // the producer may come back and go on
}

var (
	faultRead   = fault{4000, "STREAM_READ_ERROR", true}
	faultSize   = fault{4001, "MAX_FRAGMENT_SIZE_REACHED", false}
	faultOrder  = fault{4004, "FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS", false}
	faultData   = fault{4006, "INVALID_MKV_DATA", false}
	faultTime   = fault{4007, "INVALID_PRODUCER_TIMESTAMP", false}
	faultGone   = fault{4008, "STREAM_DELETED", false}
	faultTrack  = fault{4010, "TRACK_NUMBER_MISMATCH", false}
	faultTracks = fault{4012, "MORE_THAN_ALLOWED_TRACKS_FOUND", false}
	faultStore  = fault{5001, "ARCHIVAL_ERROR", true}
)

// faultOf is the fault that an error of reading or storing is.
func faultOf(err error) *fault {
	var known *shardlog.Error
	if !errors.As(err, &known) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &faultRead
	}
	switch known.Kind {
	case shardlog.Corrupt:
		return &faultData
	case shardlog.LimitExceeded:
		return &faultSize
	case shardlog.Invalid:
		return &faultTracks
	}
	return &faultStore
}

// acknowledged is the fault of an acknowledgement that cannot be sent.
func acknowledged(err error) *fault {
	if err != nil {
		return &faultRead
	}
	return nil
}
