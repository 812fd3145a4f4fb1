package mqtt

import (
	"context"

	"headgate/shardlog"
)

// known reports whether a QoS 2 message is stored already: it came again over
// a new connection while the first was still on its way.
func (m *message) known() bool { return m.session != nil && !m.fresh && m.session.copied(m.id, m.dup) }

// keep notes a stored QoS 2 message's id. If its session ended meanwhile, the
// id is removed again.
func (m *message) keep() {
	now := held
	if m.conn.gone() {
		now = stale
	}
	if m.session == nil || m.session.keep(m.id, now) {
		return
	}
	if s := m.conn.server; !s.sessions.current(m.session, m.id) {
		s.releaser.add(release{session: m.session, id: m.id})
	}
}

// mutation is what makes a QoS 2 message's record and its packet id one: both
// are stored or neither.
func (m *message) mutation() shardlog.Mutation {
	expect := shardlog.Absent()
	switch {
	case m.over != 0:
		expect = shardlog.At(m.over)
	case m.fresh:
		expect = shardlog.Expect{}
	}
	return shardlog.Mutation{Space: qos2, Key: idKey(m.session.client, m.id), Value: encodeID(m.token, m.at), Expect: expect}
}

// recognise deals with a Put whose expectations failed: some id is taken. It
// is this very message's, after an unknown outcome; or an earlier copy's of a
// message that was sent again; or a leftover, to be overwritten.
func (p *put) recognise(ctx context.Context, batch []*message) {
	p.server.stats.conflicts.Add(1)
	left, found := batch[:0:0], false
	for _, m := range batch {
		if m.session == nil {
			left = append(left, m)
			continue
		}
		value, version, err := p.server.cfg.States.Get(ctx, qos2, idKey(m.session.client, m.id))
		if err != nil {
			if shardlog.KindOf(err) == shardlog.NotFound && m.over != 0 {
				m.over, found = 0, true
			}
			left = append(left, m)
			continue
		}
		found = true
		switch t, _, err := decodeID(value); {
		case err == nil && t == m.token, m.dup && !m.fresh:
			m.keep()
			m.settle(stored)
		default:
			m.over = version
			left = append(left, m)
		}
	}
	p.hold(left, 0)
	if !found && len(left) > 0 {
		p.hold(left, p.grow()) // what stood in the way has gone, or the state cannot be read
	}
}
