package gateway

import (
	"context"
	"slices"

	"headgate/ingest"
	"headgate/ingest/iotsql"
	"headgate/ingest/mqtt"
	"headgate/ingest/rules"
	"headgate/ingest/web"
	"headgate/shardlog"
)

// Rule is a rule as somebody asks for it, with its actions.
type (
	Rule          = rules.Rule
	RuleKinesis   = rules.Kinesis
	RuleRepublish = rules.Republish
)

// RuleStatus is one rule and what it does.
type RuleStatus struct {
	rules.Row
	State   string               `json:"state"` // running, starting, held, disabled, elsewhere
	Fault   string               `json:"fault,omitempty"`
	Actions []rules.ActionStatus `json:"actions,omitempty"` // absent on a gateway that does not lead
}

// The states of a rule.
const (
	ruleRunning   = "running"
	ruleStarting  = "starting"
	ruleHeld      = "held"
	ruleDisabled  = "disabled"
	ruleElsewhere = "elsewhere" // on the gateway that leads
)

// TryRule applies a rule's SQL to a message, without a gateway. Kind Invalid.
func TryRule(sql string, m iotsql.Message) (rules.Result, error) { return rules.Try(sql, m) }

// RuleMessage is what a rule's SQL is tried on.
type RuleMessage = iotsql.Message

func (g *Gateway) wireRules() error {
	publish := publisher(g.routes)
	g.rules = rules.New(rules.Config{
		Reader: g.store, Catalog: g.store, Writer: g.streams, States: g.streams, Routes: g.routes, Read: readMessage, Publish: publish, Log: g.log,
	})
	g.ruleTable = &rules.Table{States: g.states, Catalog: g.store, Routes: g.routes, Publish: publish, Now: g.now, Changed: g.rules.Changed}
	return nil
}

// readMessage makes a message for rules of a record; false: it came under no
// topic.
func readMessage(r shardlog.Record) (m iotsql.Message, ok bool) {
	m.Payload, m.Arrived, m.Client = r.Data, r.Arrived, r.Key
	if !r.Origin.IsZero() {
		m.Arrived = r.Origin
	}
	if w, err := web.DecodeMeta(r.Meta); err == nil {
		m.Topic, m.ContentType = w.Topic, w.ContentType
		if w.Client != "" {
			m.Client = w.Client
		}
		return m, m.Topic != ""
	}
	meta, err := mqtt.DecodeMeta(r.Meta)
	if err != nil || meta.Topic == "" {
		return m, false
	}
	if meta.Client != "" {
		m.Client = meta.Client
	}
	m.Topic, m.Text, m.ContentType, m.ResponseTopic, m.Correlation = meta.Topic, meta.Text, meta.ContentType, meta.ResponseTopic, meta.Correlation
	for _, p := range meta.User {
		m.User = append(m.User, iotsql.Property(p))
	}
	return m, true
}

// publisher makes records of what rules publish, as if the device whose message
// the rule saw had published it.
func publisher(routes *ingest.Routes) rules.Publish {
	return func(p rules.Publication) (shardlog.StreamName, shardlog.Entry, error) {
		meta := mqtt.Meta{Topic: p.Topic, QoS: p.QoS}
		for _, u := range p.User {
			meta.User = append(meta.User, mqtt.Property(u))
		}
		to, err := routes.Find(ingest.Source{Topic: p.Topic, ClientID: p.Client, Payload: p.Payload, QoS: p.QoS, User: meta.User})
		if err != nil {
			return "", shardlog.Entry{}, err
		}
		meta.RecordOnly = to.RecordOnly
		if to.Key == "" {
			to.Key = p.Topic
		}
		if to.Key != p.Client {
			meta.Client = p.Client
		}
		return to.Stream, shardlog.Entry{Key: to.Key, Data: p.Payload, Meta: meta.Append(nil)}, nil
	}
}

// ruleStatus is all rules by name, with what they do here.
func (g *Gateway) ruleStatus(ctx context.Context) ([]RuleStatus, error) {
	rows, err := g.ruleTable.List(ctx)
	here := g.rules.Status()
	var all []RuleStatus
	for _, row := range rows {
		all = append(all, g.ruleStatusOf(row, here))
	}
	return all, err
}

// describeRule is one rule. Kinds: NotFound, those of States.
func (g *Gateway) describeRule(ctx context.Context, name string) (RuleStatus, error) {
	row, err := g.ruleTable.Get(ctx, name)
	if err != nil {
		return RuleStatus{}, err
	}
	return g.ruleStatusOf(row, g.rules.Status()), nil
}

func (g *Gateway) ruleStatusOf(row rules.Row, here []rules.Status) RuleStatus {
	one := RuleStatus{Row: row, State: ruleElsewhere}
	if g.group.Stats().Leading {
		one.State = ruleStarting
	}
	i := slices.IndexFunc(here, func(s rules.Status) bool { return s.Name == row.Name })
	switch {
	case row.Disabled:
		one.State = ruleDisabled
	case i >= 0 && here[i].Fault != "":
		one.State, one.Fault = ruleHeld, here[i].Fault
	case i >= 0:
		one.State, one.Actions = ruleRunning, here[i].Actions
	}
	return one
}
