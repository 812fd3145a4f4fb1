package webrtc

import "time"

// What tests look at from outside.
var (
	ParseFragment = func(text string) error { _, err := parseFragment(text); return err }
	CheckOffer    = checkOffer
	TidyAnswer    = tidyAnswer
	FragmentOf    = fragmentOf
)

// Nacks is a nacks.
type Nacks struct{ n nacks }

// Due is due.
func (n *Nacks) Due(missing []uint16, now time.Time) []uint16 { return n.n.due(missing, now) }
