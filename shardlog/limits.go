package shardlog

import "time"

// Limits of Kinesis Data Streams that every door shares ("Quotas and limits",
// Kinesis Data Streams developer guide). Bytes of a record are its data and
// its UTF-8 partition key.
const (
	MaxStreamName      = 128
	MaxPartitionKey    = 256                    // Unicode characters
	DefaultRecordKiB   = 1024                   // a stream's largest record, data and key, unless it chose another; and the least it may choose
	MaxRecordKiB       = 10240                  // the most it may choose
	DefaultRecordBytes = DefaultRecordKiB << 10 // doors that ask no stream take no more
	MaxRecordBytes     = MaxRecordKiB << 10     // of any record
	MaxPutEntries      = 500                    // records of one PutRecords call
	ShardBytesIn       = 1 << 20                // a second
	ShardRecordsIn     = 1000                   // a second
	ShardBytesOut      = 2 << 20                // a second, shared by all readers
	ShardReadsOut      = 5                      // GetRecords calls a second
	MaxReadBytes       = 10 << 20               // one GetRecords answer
	MaxReadRecords     = 10000                  // one GetRecords answer
	DefaultRetention   = 24 * time.Hour         // and the least
	MaxRetention       = 8760 * time.Hour       // a year
	DefaultShards      = 4                      // of a stream made without a count
	MaxCommandBytes    = 1 << 20                // sealed blocks of one command, unless one record alone is larger
	MaxMeta            = 128 << 10              // bytes that a door keeps beside one record's data
	MaxStateKey        = 1 << 10                // bytes
	MaxStateValue      = 64 << 10               // bytes
	MaxShardsByStream  = 10000
)
