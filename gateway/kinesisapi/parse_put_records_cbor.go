package kinesisapi

import (
	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// binaryRequest is scanner.request for a body in CBOR. Data stays where it lies.
func binaryRequest(r *awsapi.CBOR, p *putRequest) bool {
	members, ok := r.Map()
	records := false
	for ok && r.Next(&members) {
		var name, text []byte
		if name, ok = r.Text(); !ok {
			return false
		}
		switch string(name) {
		case "Records":
			ok = !records && binaryRecords(r, p)
			records = true
		case "StreamName":
			text, ok = r.Text()
			ok = ok && p.stream == "" && p.setName(text)
		case "StreamARN":
			text, ok = r.Text()
			ok = ok && p.arn == "" && p.setARN(text)
		default:
			return false
		}
	}
	return ok
}

func binaryRecords(r *awsapi.CBOR, p *putRequest) bool {
	records, ok := r.List()
	for ok && r.Next(&records) {
		ok = len(p.entries) < shardlog.MaxPutEntries && binaryRecord(r, p)
	}
	return ok
}

func binaryRecord(r *awsapi.CBOR, p *putRequest) bool {
	var entry shardlog.Entry
	hasKey, hasData, hasHash := false, false, false
	members, ok := r.Map()
	for ok && r.Next(&members) {
		var name, text []byte
		if name, ok = r.Text(); !ok {
			return false
		}
		switch string(name) {
		case "Data":
			entry.Data, ok = r.Bytes()
			ok = ok && !hasData && len(entry.Data) <= maxData
			hasData = true
		case "PartitionKey":
			text, ok = r.Text()
			ok = ok && !hasKey && p.addKey(text)
			hasKey = true
		case "ExplicitHashKey":
			text, ok = r.Text()
			ok = ok && !hasHash
			if ok {
				entry.Hash, ok = readHash(text)
			}
			hasHash = true
		default:
			return false
		}
	}
	p.entries = append(p.entries, entry)
	return ok && hasKey && hasData
}
