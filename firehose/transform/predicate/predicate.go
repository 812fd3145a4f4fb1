// Package predicate is a small language of conditions over JSON documents,
// evaluated on their bytes. It does not know what is done with those that
// match, and takes documents to be valid JSON.
//
//	temp > 50 and status == "RUN"
//	not (kind in ("debug", "trace")) or exists alarm.code
//	device.name like "press-%" and $key != "test"
package predicate

import (
	"headgate/shardlog"
)

// Predicate is a parsed condition. It is safe for concurrent use.
type Predicate struct {
	text string
	root node
}

// Document is what a predicate looks at.
type Document struct {
	JSON string // valid JSON
	Key  string // $key: the partition key
}

// Parse reads a condition. What is wrong with it, and where, is Invalid.
func Parse(text string) (*Predicate, error) {
	p := parser{lexer: lexer{text: text}}
	root, err := p.whole()
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "parse condition", "%w", err)
	}
	return &Predicate{text: text, root: root}, nil
}

// Match reports whether the condition holds. A path that is not there is null:
// it equals null alone and is neither less nor greater than anything. Values
// of different types are never equal and have no order.
func (p *Predicate) Match(d Document) bool { return p.root.holds(d) }

// String is the condition as it was written.
func (p *Predicate) String() string { return p.text }
