package lab

// Set changes one direction of a link, from now on: l.Set(1, 2, func(s
// *Settings) { s.Delay = 50 * time.Millisecond }). From and to are numbers of
// two hosts.
func (l *Lab) Set(from, to int, change func(*Settings)) { l.links[from-1][to-1].set(change) }

// SetAll changes every direction of every link.
func (l *Lab) SetAll(change func(*Settings)) {
	l.each(func(_, _ int, link *link) { link.set(change) })
}

// Settings are what that direction of the link does to packets now.
func (l *Lab) Settings(from, to int) Settings { return l.links[from-1][to-1].settings() }

// Stats count what that direction of the link carried and dropped so far.
func (l *Lab) Stats(from, to int) Stats { return l.links[from-1][to-1].snapshot() }

// Cut takes one direction of a link down: from no longer reaches to.
func (l *Lab) Cut(from, to int) { l.Set(from, to, down) }

// Join takes one direction of a link up again.
func (l *Lab) Join(from, to int) { l.Set(from, to, up) }

// Isolate cuts a host from all others, both ways.
func (l *Lab) Isolate(host int) {
	l.each(func(from, to int, link *link) {
		if from == host || to == host {
			link.set(down)
		}
	})
}

// Heal takes away every fault of every link.
func (l *Lab) Heal() { l.SetAll(func(s *Settings) { *s = Settings{} }) }

func down(s *Settings) { s.Down = true }
func up(s *Settings)   { s.Down = false }

func (l *Lab) each(do func(from, to int, link *link)) {
	for from, row := range l.links {
		for to, link := range row {
			if link != nil {
				do(from+1, to+1, link)
			}
		}
	}
}
