package iotsql

import "strings"

// function is one that statements may call. What its arguments make no sense
// for is undefined.
type function struct {
	least, most int // how many arguments
	apply       func(r *run, a []value) value
}

// many is more arguments than a statement has room for.
const many = MaxSQL

// elsewhere are AWS's functions that ask a service, which no message waits for
// here, and what to do without them.
func elsewhere(name string) string {
	switch name {
	case "aws_lambda":
		return "put a delivery with a transform on the rule's stream instead"
	case "get_thing_shadow", "get_registry_data", "get_dynamodb", "get_secret", "machinelearning_predict", "principal", "accountid", "md2":
		return "have the device send what the rule needs, or read it behind the rule's stream"
	}
	return ""
}

// find finds a function by its name, in small letters.
func find(name string) (function, bool) {
	for _, table := range []map[string]function{messageFunctions(), textFunctions(), numberFunctions(), valueFunctions(), timeFunctions()} {
		if f, there := table[name]; there {
			return f, true
		}
	}
	return function{}, false
}

// call reads a function with its arguments.
func (p *parser) call() (n node, err error) {
	if err := p.deeper(); err != nil {
		return n, err
	}
	defer func() { p.depth-- }()
	t := p.drop()
	name := strings.ToLower(t.text)
	p.drop()
	switch name {
	case "cast":
		return p.cast()
	case "encode":
		return p.encode(t)
	}
	f, there := find(name)
	if advice := elsewhere(name); advice != "" {
		return n, fault(t.at, "%s is not there at the edge: %s", name, advice)
	} else if !there {
		return n, fault(t.at, "there is no function %s", name)
	}
	arguments, err := p.arguments()
	if err != nil {
		return n, err
	}
	if len(arguments) < f.least || len(arguments) > f.most {
		return n, fault(t.at, "%s does not take %d arguments", name, len(arguments))
	}
	return node{eval: func(s scope) value {
		values := make([]value, len(arguments))
		for i, a := range arguments {
			values[i] = a.eval(s)
			if !s.run.spend(values[i].weight()) {
				return value{}
			}
		}
		return f.apply(s.run, values)
	}}, nil
}

// arguments reads a function's arguments, * among them, and the bracket behind.
func (p *parser) arguments() (all []node, err error) {
	for !p.take(")") {
		if len(all) > 0 {
			if err := p.want(","); err != nil {
				return nil, err
			}
		}
		one := node{star: true, eval: func(s scope) value { return s.run.payload() }}
		if !p.take("*") {
			if one, err = p.expression(); err != nil {
				return nil, err
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// encode reads encode's arguments: * is the payload's bytes, JSON or not.
func (p *parser) encode(t token) (n node, err error) {
	a, err := p.arguments()
	if err != nil {
		return n, err
	}
	if len(a) != 2 || a[1].fixed == nil || a[1].fixed.text != "base64" {
		return n, fault(t.at, "encode takes a value and 'base64'")
	}
	return node{eval: func(s scope) value {
		if a[0].star {
			s.run.spend(len(s.run.message.Payload))
			return base64Of(string(s.run.message.Payload))
		}
		text, ok := a[0].eval(s).string()
		if !ok || !s.run.spend(len(text)) {
			return value{}
		}
		return base64Of(text)
	}}, nil
}

// cast reads cast's argument and the type behind AS.
func (p *parser) cast() (n node, err error) {
	inner, err := p.expression()
	if err == nil {
		err = p.want("as")
	}
	if err != nil {
		return n, err
	}
	t := p.drop()
	to := casts(strings.ToLower(t.text))
	if to == nil || t.kind != word {
		return n, fault(t.at, "%v is no type: there are String, Int, Decimal, Double and Boolean", t)
	}
	return node{eval: func(s scope) value {
		v := inner.eval(s)
		s.run.spend(v.weight())
		return to(v)
	}}, p.want(")")
}

// casts finds what makes a value one of a type, nil when there is no such type.
func casts(to string) func(v value) value {
	switch to {
	case "string", "nvarchar", "text", "ntext", "varchar":
		return func(v value) value {
			s, ok := v.string()
			if !ok {
				return value{}
			}
			return textOf(s)
		}
	case "int", "integer":
		return func(v value) value {
			d, ok := v.castDecimal()
			if !ok {
				return value{}
			}
			return bigOf(d.floor())
		}
	case "decimal":
		return func(v value) value { return numberOf(v.castDecimal()) }
	case "double":
		return func(v value) value {
			d, ok := v.castDecimal()
			if !ok {
				return value{}
			}
			return doubleOf(d.double())
		}
	case "bool", "boolean":
		return func(v value) value {
			if v.sort == numeric {
				d, ok := v.decimal()
				if !ok {
					return value{}
				}
				return boolOf(d.coefficient.Sign() != 0)
			}
			yes, ok := v.bool()
			if !ok {
				return value{}
			}
			return boolOf(yes)
		}
	}
	return nil
}

// castDecimal converts to a number, Booleans too.
func (v value) castDecimal() (decimal, bool) {
	if v.sort == boolean {
		if v.yes {
			return decimalOf(1), true
		}
		return decimalOf(0), true
	}
	return v.decimal()
}
