package jobs

import (
	"strings"
	"unicode/utf8"
)

// operation is what a topic asks for.
type operation uint8

const (
	opNone           operation = iota // the topic is in the namespace and means nothing
	opPending                         // $aws/things/T/jobs/get
	opStartNext                       // $aws/things/T/jobs/start-next
	opDescribe                        // $aws/things/T/jobs/JOB/get
	opUpdate                          // $aws/things/T/jobs/JOB/update
	opDescribeStream                  // $aws/things/T/streams/STREAM/describe/FORMAT
	opGetStream                       // $aws/things/T/streams/STREAM/get/FORMAT
)

// The two namespaces below a thing.
const (
	jobsArea    = "jobs"
	streamsArea = "streams"
)

const (
	thingsPrefix = "$aws/things/"
	nextJob      = "$next" // in the place of a job's name: whichever comes next
)

// topic is a request's topic, taken apart.
type topic struct {
	name      string // the whole
	thing     string
	area      string
	operation operation
	id        string // of the job, or of the stream
	format    format // of a stream's messages
}

// splitTopic finds the levels behind thing and area of a topic in one of the
// namespaces.
func splitTopic(name string) (levels []string, ok bool) {
	rest, ok := strings.CutPrefix(name, thingsPrefix)
	if !ok {
		return nil, false
	}
	levels = strings.Split(rest, "/")
	return levels, len(levels) > 2 && (levels[1] == jobsArea || levels[1] == streamsArea)
}

// parseTopic answers false for a topic that only answers are sent to.
func parseTopic(name string) (topic, bool) {
	levels, ok := splitTopic(name)
	if !ok {
		return topic{}, false
	}
	t := topic{name: name, thing: levels[0], area: levels[1], format: formatJSON}
	levels = levels[2:]
	if t.area == jobsArea {
		last := levels[len(levels)-1]
		if last == "accepted" || last == "rejected" || strings.HasPrefix(levels[0], "notify") {
			return t, false
		}
		t.operation, t.id = jobsOperation(levels)
	} else {
		if len(levels) > 1 && (levels[1] == "description" || levels[1] == "data" || levels[1] == "rejected") {
			return t, false
		}
		t.id = levels[0]
		t.operation, t.format = streamsOperation(levels)
	}
	if !validThing(t.thing) {
		t.operation = opNone
	}
	return t, true
}

func jobsOperation(levels []string) (operation, string) {
	switch {
	case len(levels) == 1 && levels[0] == "get":
		return opPending, ""
	case len(levels) == 1 && levels[0] == "start-next":
		return opStartNext, ""
	case len(levels) == 2 && levels[1] == "get":
		return opDescribe, levels[0]
	case len(levels) == 2 && levels[1] == "update":
		return opUpdate, levels[0]
	}
	return opNone, ""
}

func streamsOperation(levels []string) (operation, format) {
	if len(levels) != 3 {
		return opNone, formatJSON
	}
	f := format(levels[2])
	switch {
	case f != formatJSON && f != formatCBOR:
		return opNone, formatJSON
	case levels[1] == "describe":
		return opDescribeStream, f
	case levels[1] == "get":
		return opGetStream, f
	}
	return opNone, f
}

// maxThing is the longest name of a thing, in bytes.
const maxThing = 128

// validThing reports whether a thing may have the name: one level of a topic.
func validThing(name string) bool {
	return name != "" && len(name) <= maxThing && utf8.ValidString(name) && !strings.ContainsAny(name, "/+#\x00")
}
