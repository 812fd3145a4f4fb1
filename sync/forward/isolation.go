package forward

import "time"

// isolation decides whether this gateway is cut off from its peers. It is told
// the time and what was seen, and reads no clock. It is not safe for
// concurrent use.
//
// A gateway is connected while it leads, while it is the only voter, and while
// it knows a leader that answers. A leader that is known counts as one that
// answers until a call to it fails. After the grace period without one it is
// isolated; then only an answer, or its own leadership, ends that.
type isolation struct {
	grace time.Duration

	sight    sight
	lost     time.Time // since when there has been no leader that answers; zero: there is one
	failing  bool      // because calls fail
	contact  time.Time // when a call was last answered
	isolated bool
	since    time.Time // when isolation began
}

// sight is who leads, in one look.
type sight struct {
	leading, alone bool
	leader         string
	term           uint64
}

func (s sight) own() bool { return s.leading || s.alone }

// begin is a start. With a spool that is not empty isolation goes on from
// before, until a leader answers.
func (m *isolation) begin(now time.Time, s sight, spooled bool) {
	m.lost, m.sight = now, s
	if spooled && !s.own() {
		m.isolated, m.since = true, now
	}
	m.see(now, s)
}

// see takes a look at who leads.
func (m *isolation) see(now time.Time, s sight) {
	m.sight = s
	switch {
	case s.own():
		m.found()
	case s.leader == "":
		m.lose(now)
	case !m.isolated && !m.failing:
		m.found()
	}
	m.tick(now)
}

// called tells of a call to the leader that was begun at a time.
func (m *isolation) called(now, begun time.Time, answered bool) {
	switch {
	case m.sight.own():
	case answered:
		m.contact = now
		if m.sight.leader != "" {
			m.found()
		}
	case begun.Before(m.contact):
		// Another call has been answered since: it was this one that was slow.
	default:
		m.lose(begun)
		m.failing = true
	}
	m.tick(now)
}

func (m *isolation) found() {
	m.lost, m.failing, m.isolated = time.Time{}, false, false
}

func (m *isolation) lose(at time.Time) {
	if m.lost.IsZero() {
		m.lost = at
	}
}

// tick lets time pass.
func (m *isolation) tick(now time.Time) {
	if !m.isolated && !m.lost.IsZero() && now.Sub(m.lost) >= m.grace {
		m.isolated, m.since = true, now
	}
}

// due is when a tick will change something; false when none will.
func (m *isolation) due() (time.Time, bool) {
	return m.lost.Add(m.grace), !m.isolated && !m.lost.IsZero()
}

// doubtful reports whether a call should show if the leader answers.
func (m *isolation) doubtful() bool {
	return !m.lost.IsZero() && m.sight.leader != "" && !m.sight.own()
}
