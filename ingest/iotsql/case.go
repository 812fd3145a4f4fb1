package iotsql

// branch is one WHEN of a CASE.
type branch struct{ when, then expression }

// cases reads CASE v WHEN t THEN r … ELSE e END, and the form without v, whose
// conditions stand behind WHEN.
func (p *parser) cases() (n node, err error) {
	p.drop()
	var subject expression
	if !p.peek().is("when") {
		v, err := p.expression()
		if err != nil {
			return n, err
		}
		subject = v.eval
	}
	var all []branch
	for p.take("when") {
		when, err := p.expression()
		if err == nil {
			err = p.want("then")
		}
		if err != nil {
			return n, err
		}
		then, err := p.expression()
		if err != nil {
			return n, err
		}
		all = append(all, branch{when.eval, then.eval})
	}
	if len(all) == 0 {
		return n, p.unexpected("WHEN")
	}
	otherwise := constant(value{})
	if p.take("else") {
		if otherwise, err = p.expression(); err != nil {
			return n, err
		}
	}
	return node{eval: choose(subject, all, otherwise.eval)}, p.want("end")
}

// choose makes the expression of a CASE; subject is nil when there is none.
func choose(subject expression, all []branch, otherwise expression) expression {
	return func(s scope) value {
		var v value
		if subject != nil {
			if v = subject(s); v.sort == undefined {
				return v
			}
		}
		for _, b := range all {
			when := b.when(s)
			if subject == nil {
				if yes, ok := when.bool(); ok && yes {
					return b.then(s)
				}
			} else if s.run.spend(1); equal(v, when) {
				return b.then(s)
			}
		}
		return otherwise(s)
	}
}
