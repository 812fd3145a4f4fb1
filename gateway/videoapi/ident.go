package videoapi

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// arn is a stream's ARN as a caller in that region sees it.
func arn(region string, s shardlog.Stream) string {
	partition := "aws"
	switch {
	case strings.HasPrefix(region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		partition = "aws-us-gov"
	}
	return "arn:" + partition + ":kinesisvideo:" + region + ":" + awsapi.Account + ":stream/" + string(s.Name) + "/" + strconv.FormatInt(s.Created.UnixMilli(), 10)
}

// parseARN takes name and time of creation out of a stream's ARN.
func parseARN(text string) (name shardlog.StreamName, created string, ok bool) {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "kinesisvideo" || parts[4] != awsapi.Account {
		return "", "", false
	}
	rest, ok := strings.CutPrefix(parts[5], "stream/")
	one, created, _ := strings.Cut(rest, "/")
	return shardlog.StreamName(one), created, ok && shardlog.StreamName(one).Check() == nil
}

// find is the stream that a request means, by name or by ARN.
func (a *API) find(name, byARN string) (shardlog.Stream, error) {
	created := ""
	if byARN != "" {
		inARN, at, ok := parseARN(byARN)
		switch {
		case !ok:
			return shardlog.Stream{}, invalid("Invalid StreamARN: %s", byARN)
		case name != "" && name != string(inARN):
			return shardlog.Stream{}, invalid("StreamName %s and StreamARN %s name different streams.", name, byARN)
		}
		name, created = string(inARN), at
	}
	if name == "" {
		return shardlog.Stream{}, invalid("Either StreamName or StreamARN must be provided.")
	}
	s, ok := a.config.Catalog.Stream(shardlog.StreamName(name))
	if !ok || s.Class != shardlog.Video || created != "" && created != strconv.FormatInt(s.Created.UnixMilli(), 10) {
		return s, noStream(shardlog.StreamName(name))
	}
	return s, nil
}

func (a *API) findIn(in awsapi.Input) (shardlog.Stream, error) {
	return a.find(in.Text("StreamName"), in.Text("StreamARN"))
}

// versionOf is what CurrentVersion has to be: it changes whenever something
// does that it guards.
func versionOf(s shardlog.Stream) string {
	return fmt.Sprintf("%08X%06X", uint32(s.ID), int64(s.Retention/time.Hour))
}

// checkVersion refuses a change by somebody who has seen another state.
func checkVersion(in awsapi.Input, s shardlog.Stream) error {
	if seen := in.Text("CurrentVersion"); seen != "" && seen != versionOf(s) {
		return awsapi.Fail(versionMismatch, "The stream version %s that you specified is not the latest version.", seen)
	}
	return nil
}

// parseNumber reads a fragment's number.
func parseNumber(text string) (shardlog.Seq, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return shardlog.Seq(n), err == nil
}

func number(seq shardlog.Seq) string { return strconv.FormatUint(uint64(seq), 10) }

// page is a NextToken: the place behind the last that was listed. It holds no
// secret and gives no right, so it is not sealed.
func page(kind, place string) string { return kind + "-" + place }

// openPage reads a page of that kind.
func openPage(kind, token string) (place string, err error) {
	got, place, ok := strings.Cut(token, "-")
	if !ok || got != kind {
		return "", invalid("Invalid NextToken.")
	}
	return place, nil
}
