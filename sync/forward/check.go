package forward

import (
	"unicode/utf8"

	"headgate/shardlog"
)

// maxMeta is the most that a door may keep beside one record's data.
const maxMeta = 128 << 10

// check refuses an entry that the log would refuse later, when nobody is there
// to be told.
func check(e *shardlog.Entry) error {
	if n := len(e.Key); n == 0 || n > shardlog.MaxPartitionKey && utf8.RuneCountInString(e.Key) > shardlog.MaxPartitionKey {
		return shardlog.Errorf(shardlog.Invalid, "put", "partition key of %d bytes, 1 to %d characters are allowed", n, shardlog.MaxPartitionKey)
	}
	if e.Size() > shardlog.MaxRecordBytes {
		return shardlog.Errorf(shardlog.Invalid, "put", "record of %d bytes, %d are allowed", e.Size(), shardlog.MaxRecordBytes)
	}
	if len(e.Meta) > maxMeta {
		return shardlog.Errorf(shardlog.Invalid, "put", "%d bytes beside the data, %d are allowed", len(e.Meta), maxMeta)
	}
	return nil
}

func checkMutations(all []shardlog.Mutation) error {
	for _, m := range all {
		switch {
		case m.Space == "" || len(m.Space) > 64:
			return shardlog.Errorf(shardlog.Invalid, "mutate", "space %q", m.Space)
		case len(m.Key) > shardlog.MaxStateKey:
			return shardlog.Errorf(shardlog.Invalid, "mutate", "key of %d bytes, %d are allowed", len(m.Key), shardlog.MaxStateKey)
		case len(m.Value) > shardlog.MaxStateValue:
			return shardlog.Errorf(shardlog.Invalid, "mutate", "value of %d bytes, %d are allowed", len(m.Value), shardlog.MaxStateValue)
		}
	}
	return nil
}
