package webrtc

import (
	"strings"

	"headgate/shardlog"
)

// fragment is an application/trickle-ice-sdpfrag (RFC 8840 §9): credentials
// of ICE and candidates.
type fragment struct {
	ufrag, password string
	candidates      []trickled
	end             bool
}

// trickled is one candidate and the media description it belongs to.
type trickled struct {
	mid  string
	line string // behind "a="
}

// Bounds of a fragment.
const (
	maxFragment   = 16 << 10
	maxCandidates = 32

	// sessionCandidates is how many a session takes in its offer, and how many in
	// fragments: each is an address that we knock at.
	sessionCandidates = 128
)

// parseFragment reads a fragment. Candidates of component 2 are left out:
// RTP and RTCP share one. Kind Invalid.
func parseFragment(text string) (f fragment, err error) {
	mid := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		if len(line) < 2 || line[1] != '=' {
			return f, badFragment("a line that is none of SDP")
		}
		name, value, _ := strings.Cut(line[2:], ":")
		switch {
		case line[0] == 'm':
			mid = ""
		case line[0] != 'a':
		case name == "mid":
			mid = value
		case name == "ice-ufrag":
			f.ufrag = value
		case name == "ice-pwd":
			f.password = value
		case name == "end-of-candidates":
			f.end = true
		case name == "candidate":
			fields := strings.Fields(value)
			if len(fields) < 8 {
				return f, badFragment("a candidate of %d words", len(fields))
			}
			if fields[1] != "1" {
				continue
			}
			if len(f.candidates) == maxCandidates {
				return f, badFragment("more than %d candidates", maxCandidates)
			}
			f.candidates = append(f.candidates, trickled{mid, line[2:]})
		}
	}
	if (f.ufrag == "") != (f.password == "") {
		return f, badFragment("ice-ufrag and ice-pwd belong together")
	}
	if f.ufrag != "" && !(isCredential(f.ufrag, 4) && isCredential(f.password, 22)) {
		return f, badFragment("ice-ufrag has 4 to 256 characters, ice-pwd 22 to 256") // RFC 8839 §5.4
	}
	return f, nil
}

func isCredential(text string, least int) bool {
	return len(text) >= least && len(text) <= 256 && !strings.ContainsAny(text, " \t")
}

func badFragment(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "read sdpfrag", format, args...)
}

// restartOffer is the offer with other credentials and no candidates: what the
// other side would offer to restart ICE.
func restartOffer(offer string, f fragment) string {
	return mapLines(offer, func(line string) (string, bool) {
		switch {
		case strings.HasPrefix(line, "a=ice-ufrag:"):
			return "a=ice-ufrag:" + f.ufrag, true
		case strings.HasPrefix(line, "a=ice-pwd:"):
			return "a=ice-pwd:" + f.password, true
		case strings.HasPrefix(line, "a=candidate:"), line == "a=end-of-candidates":
			return "", false
		}
		return line, true
	})
}

// fragmentOf is the answer's credentials and candidates, once.
func fragmentOf(answer string) string {
	var b strings.Builder
	first := true
	for line := range strings.Lines(answer) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "m="):
			if !first {
				return b.String()
			}
			first = false
			b.WriteString(line + "\r\n")
		case first:
		case strings.HasPrefix(line, "a=mid:"), strings.HasPrefix(line, "a=ice-ufrag:"), strings.HasPrefix(line, "a=ice-pwd:"),
			strings.HasPrefix(line, "a=candidate:"), line == "a=end-of-candidates":
			b.WriteString(line + "\r\n")
		}
	}
	return b.String()
}

// tidyAnswer leaves out the second component of each candidate and says that
// RTCP has no port of its own (RFC 8858).
func tidyAnswer(answer string) string {
	return mapLines(answer, func(line string) (string, bool) {
		if rest, ok := strings.CutPrefix(line, "a=candidate:"); ok {
			fields := strings.Fields(rest)
			return line, len(fields) > 1 && fields[1] == "1"
		}
		if line == "a=rtcp-mux" {
			return line + "\r\na=rtcp-mux-only", true
		}
		return line, true
	})
}

func mapLines(text string, f func(line string) (string, bool)) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if changed, keep := f(strings.TrimRight(line, "\r\n")); keep {
			b.WriteString(changed + "\r\n")
		}
	}
	return b.String()
}
