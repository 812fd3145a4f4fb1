package webrtc

import (
	"slices"
	"strings"

	"github.com/pion/sdp/v3"

	"headgate/shardlog"
)

// maxOffer bounds the body of a POST.
const maxOffer = 64 << 10

// checkOffer looks whether a session may come of an offer. WHIP takes what
// sends, WHEP what receives; one sound and one picture at most, and data
// channels only of publishers (RFC 9725 §4.4, draft-ietf-wish-whep §4.4).
// Kind Invalid.
func checkOffer(text string, role Role) error {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return badOffer("it is no SDP: %w", err)
	}
	group, _ := d.Attribute("group")
	bundle := strings.Fields(group)
	seen := map[string]int{}
	for _, m := range d.MediaDescriptions {
		kind := m.MediaName.Media
		seen[kind]++
		if kind == "application" && role == View {
			return badOffer("a viewer has no use for a data channel")
		}
		if !slices.Contains([]string{"audio", "video", "application"}, kind) {
			return badOffer("media of kind %q", kind)
		}
		if seen[kind] > 1 {
			return badOffer("more than one description of kind %s", kind)
		}
		if mid, _ := m.Attribute("mid"); len(d.MediaDescriptions) > 1 && !slices.Contains(bundle, mid) {
			return badOffer("%s is not bundled with the rest", kind)
		}
		if kind != "application" {
			if err := checkMedia(m, role); err != nil {
				return err
			}
		}
	}
	if strings.Count(text, "a=candidate:") > sessionCandidates {
		return badOffer("more than %d candidates", sessionCandidates)
	}
	if seen["audio"]+seen["video"] == 0 {
		return badOffer("it has neither sound nor picture")
	}
	if !strings.Contains(text, "a=fingerprint:") || !strings.Contains(text, "a=ice-ufrag:") {
		return badOffer("it has no fingerprint or no credentials of ICE")
	}
	return nil
}

func checkMedia(m *sdp.MediaDescription, role Role) error {
	if _, muxed := m.Attribute("rtcp-mux"); !muxed {
		return badOffer("%s has a port for RTCP: offer rtcp-mux", m.MediaName.Media)
	}
	if _, bundled := m.Attribute("bundle-only"); m.MediaName.Port.Value == 0 && !bundled {
		return badOffer("%s is switched off", m.MediaName.Media)
	}
	direction := "sendrecv"
	for _, name := range []string{"sendonly", "recvonly", "inactive"} {
		if _, ok := m.Attribute(name); ok {
			direction = name
		}
	}
	if slices.ContainsFunc(m.Attributes, func(a sdp.Attribute) bool {
		return a.Key == "simulcast" || a.Key == "ssrc-group" && strings.HasPrefix(a.Value, "SIM ")
	}) {
		return badOffer("simulcast is not recorded: offer one encoding")
	}
	want := "sendonly"
	if role == View {
		want = "recvonly"
	}
	if direction != want && direction != "sendrecv" {
		return badOffer("%s is %s, not %s", m.MediaName.Media, direction, want)
	}
	return nil
}

func badOffer(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "take offer", format, args...)
}

// oneWay is an offer of somebody who would send and receive as it is answered
// here: who publishes sends, who views receives.
func oneWay(offer string, role Role) string {
	way := "a=sendonly"
	if role == View {
		way = "a=recvonly"
	}
	return mapLines(offer, func(line string) (string, bool) {
		if line == "a=sendrecv" {
			return way, true
		}
		return line, true
	})
}

// offers reports whether an offer has a description of that kind.
func offers(offer, kind string) bool {
	return strings.Contains(offer, "\nm="+kind+" ")
}
