package access_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"headgate/gateway/access"
	"headgate/shardlog"
)

const stream = "arn:aws:kinesis:eu-west-1:000000000000:stream/"

// policy is a policy of statements; what they leave out is Allow, every action
// and every resource.
func policy(statements ...string) string {
	for i, s := range statements {
		for _, usual := range []string{`"Effect":"Allow"`, `"Action":"*"`, `"Resource":"*"`} {
			name, _, _ := strings.Cut(usual, ":")
			if !strings.Contains(s, name) && !strings.Contains(s, `"Not`+name[1:]) {
				s += "," + usual
			}
		}
		statements[i] = "{" + strings.TrimPrefix(s, ",") + "}"
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func TestPolicies(t *testing.T) {
	put := access.Request{User: "press-7", KeyID: "AKIDPRESS", Action: "kinesis:PutRecord", Resource: stream + "orders",
		Source: netip.MustParseAddr("192.0.2.7"), Secure: true, Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	with := func(edit func(*access.Request)) access.Request {
		r := put
		edit(&r)
		return r
	}
	plain := with(func(r *access.Request) { r.Secure = false })
	list := with(func(r *access.Request) { r.Action, r.Resource = "kinesis:ListStreams", "*" })
	clockless := with(func(r *access.Request) { r.Now = time.Time{} })
	mapped := with(func(r *access.Request) { r.Source = netip.MustParseAddr("::ffff:192.0.2.7") })
	nowhere := with(func(r *access.Request) { r.Source = netip.Addr{} })
	consumer := with(func(r *access.Request) {
		r.Action, r.Resource = "kinesis:SubscribeToShard", stream+"orders/consumer/app:1700000000"
	})
	for _, c := range []struct {
		name   string
		policy string
		ask    access.Request
		want   access.Verdict
	}{
		{"everything", policy(""), put, access.Allow},
		{"the action", policy(`"Action":"kinesis:PutRecord"`), put, access.Allow},
		{"small letters", policy(`"Action":"kinesis:putrecord"`), put, access.Allow},
		{"another action", policy(`"Action":"kinesis:PutRecords"`), put, access.Silent},
		{"actions by wildcard", policy(`"Action":["kinesis:Get*","kinesis:PutRecord*"]`), put, access.Allow},
		{"one character", policy(`"Action":"kinesis:PutRecor?"`), put, access.Allow},
		{"another service", policy(`"Action":"firehose:*"`), put, access.Silent},
		{"all but the action", policy(`"NotAction":"kinesis:PutRecord"`), put, access.Silent},
		{"all but another", policy(`"NotAction":"kinesis:Delete*"`), put, access.Allow},
		{"the stream", policy(`"Resource":"` + stream + `orders"`), put, access.Allow},
		{"the stream in another region", policy(`"Resource":"arn:aws:kinesis:us-east-1:000000000000:stream/orders"`), put, access.Allow},
		{"another stream", policy(`"Resource":"` + stream + `order"`), put, access.Silent},
		{"streams by wildcard", policy(`"Resource":"arn:aws:kinesis:*:*:stream/ord*"`), put, access.Allow},
		{"all but the stream", policy(`"NotResource":"` + stream + `orders"`), put, access.Silent},
		{"no part swallows the next", policy(`"Resource":"arn:aws:kinesis:*:*:*"`, `"Effect":"Deny","Resource":"arn:aws:k*:*:*:table/*"`), put, access.Allow},
		{"a stream says nothing of lists", policy(`"Resource":"arn:aws:kinesis:*:*:stream/*"`), list, access.Silent},
		{"all resources are lists too", policy(`"Resource":"*"`), list, access.Allow},
		{"a consumer", policy(`"Resource":"` + stream + `orders/consumer/app:*"`), consumer, access.Allow},
		{"a stream is not its consumers", policy(`"Resource":"` + stream + `orders"`), consumer, access.Silent},
		{"by the name of the key", policy(`"Resource":"` + stream + `${aws:username}-*"`), with(func(r *access.Request) { r.Resource = stream + "press-7-raw" }), access.Allow},
		{"by the name of another", policy(`"Resource":"` + stream + `${aws:username}-*"`), with(func(r *access.Request) { r.Resource = stream + "press-8-raw" }), access.Silent},
		{"deny over allow", policy("", `"Effect":"Deny","Action":"kinesis:Put*"`), put, access.Deny},
		{"deny before allow", policy(`"Effect":"Deny","Action":"kinesis:Put*"`, ""), put, access.Deny},
		{"deny another", policy("", `"Effect":"Deny","Action":"kinesis:Delete*"`), put, access.Allow},
		{"from the network", policy(`"Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`), put, access.Allow},
		{"from a mapped address", policy(`"Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`), mapped, access.Allow},
		{"from one of the networks", policy(`"Condition":{"IpAddress":{"AWS:sourceip":["10.0.0.0/8","192.0.2.7"]}}`), put, access.Allow},
		{"from another network", policy(`"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), put, access.Silent},
		{"not from the network", policy(`"Effect":"Deny","Condition":{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","192.0.2.0/24"]}}`), put, access.Silent},
		{"from outside", policy(`"Effect":"Deny","Condition":{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8"]}}`), put, access.Deny},
		{"from who knows where", policy(`"Condition":{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8"]}}`), nowhere, access.Silent},
		{"deny from who knows where", policy(`"Effect":"Deny","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8"]}}`), nowhere, access.Deny},
		{"over TLS", policy(`"Condition":{"Bool":{"aws:SecureTransport":"true"}}`), put, access.Allow},
		{"without TLS", policy(`"Effect":"Deny","Condition":{"Bool":{"aws:SecureTransport":false}}`), plain, access.Deny},
		{"by name", policy(`"Condition":{"StringEquals":{"aws:username":"press-7"}}`), put, access.Allow},
		{"by capitals", policy(`"Condition":{"StringEquals":{"aws:username":"PRESS-7"}}`), put, access.Silent},
		{"by any capitals", policy(`"Condition":{"StringEqualsIgnoreCase":{"aws:username":"PRESS-7"}}`), put, access.Allow},
		{"by wildcard", policy(`"Condition":{"StringLike":{"aws:username":"press-*"}}`), put, access.Allow},
		{"not by wildcard", policy(`"Condition":{"StringNotLike":{"aws:username":["lathe-*","press-*"]}}`), put, access.Silent},
		{"by id", policy(`"Condition":{"StringNotEquals":{"aws:userid":"AKIDOTHER"}}`), put, access.Allow},
		{"by ARN", policy(`"Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/press-?"}}`), put, access.Allow},
		{"two conditions", policy(`"Condition":{"Bool":{"aws:SecureTransport":"true"},"StringLike":{"aws:username":"lathe-*"}}`), put, access.Silent},
		{"before a time", policy(`"Condition":{"DateLessThan":{"aws:CurrentTime":"2026-03-01T12:00:01Z"}}`), put, access.Allow},
		{"at a time", policy(`"Condition":{"DateLessThan":{"aws:CurrentTime":"2026-03-01T12:00:00Z"}}`), put, access.Silent},
		{"at a time or before", policy(`"Condition":{"DateLessThanEquals":{"aws:CurrentTime":"2026-03-01T12:00:00Z"}}`), put, access.Allow},
		{"after a time", policy(`"Effect":"Deny","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}}`), put, access.Deny},
		{"nobody knows the time", policy(`"Condition":{"DateLessThan":{"aws:CurrentTime":"2036-01-01T00:00:00Z"}}`), clockless, access.Silent},
		{"deny when nobody knows the time", policy(`"Effect":"Deny","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2036-01-01T00:00:00Z"}}`), clockless, access.Deny},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := access.ParseKeyPolicy(c.policy)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Judge(&c.ask); got != c.want {
				t.Errorf("%s says %v, want %v", c.policy, got, c.want)
			}
		})
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	for _, c := range []struct{ policy, why string }{
		{``, "no JSON"},
		{`[]`, "no object"},
		{`{"Version":"2012-10-17","Statement":[]}`, "Statement is empty"},
		{`{"Statement":[]}`, "Version"},
		{policy("") + "{}", "something follows"},
		{`{"Version":"2012-10-17","Version":"2012-10-17"}`, "twice"},
		{`{"Version":"2012-10-17","statement":[]}`, `"statement" is not known`},
		{policy(`"Effect":"allow"`), "Effect must be"},
		{policy(`"Principal":"*"`), `"Principal" is not known`},
		{policy(`"Action":"PutRecord"`), "is no action"},
		{policy(`"Action":[]`), "Action must be"},
		{policy(`"Action":["*",7]`), "7 has no place"},
		{policy(`"Action":"*","NotAction":"*"`), "one of Action and NotAction"},
		{policy(`"Resource":"orders"`), "is no ARN"},
		{policy(`"Resource":"arn:aws:kinesis:*:123456789012:stream/orders"`), "another account"},
		{policy(`"Resource":"arn:aws:kinesis:*:*:stream/${aws:PrincipalTag/line}"`), "variable"},
		{policy(`"Condition":{"IpAdress":{"aws:SourceIp":"10.0.0.0/8"}}`), `operator "IpAdress" is not known`},
		{policy(`"Condition":{"IpAddressIfExists":{"aws:SourceIp":"10.0.0.0/8"}}`), "is not known"},
		{policy(`"Condition":{"IpAddress":{"aws:VpcSourceIp":"10.0.0.0/8"}}`), "cannot be compared so"},
		{policy(`"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/64"}}`), "no network"},
		{policy(`"Condition":{"Bool":{"aws:SecureTransport":"yes"}}`), "neither true nor false"},
		{policy(`"Condition":{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}`), "no time"},
		{policy(`"Condition":[]`), "Condition is no object"},
		{policy(`"Sid":["a"]`), "Sid"},
		{strings.Repeat("[", 20), "deeper"},
		{policy(`"Sid":"` + strings.Repeat("a", access.MaxKeyPolicy) + `"`), "6144 are allowed"},
	} {
		_, err := access.ParseKeyPolicy(c.policy)
		if shardlog.KindOf(err) != shardlog.Invalid || !strings.Contains(fmt.Sprint(err), c.why) {
			t.Errorf("%.100s\n     %v\nwant %s", c.policy, err, c.why)
		}
	}
}

func TestResourcePolicies(t *testing.T) {
	const own = stream + "orders"
	ask := access.Request{User: "press-7", Action: "kinesis:PutRecord", Resource: own}
	for _, c := range []struct {
		principal string
		want      access.Verdict
	}{
		{`"*"`, access.Allow},
		{`{"AWS":"*"}`, access.Allow},
		{`{"AWS":"000000000000"}`, access.Allow},
		{`{"AWS":["arn:aws:iam::123456789012:root","arn:aws:iam::000000000000:root"]}`, access.Allow},
		{`{"AWS":"arn:aws:iam::000000000000:user/press-7"}`, access.Allow},
		{`{"AWS":"arn:aws:iam::000000000000:user/press-8"}`, access.Silent},
		{`{"AWS":"123456789012"}`, access.Silent},
		{`{"Service":"firehose.amazonaws.com"}`, access.Silent},
	} {
		text := policy(`"Principal":` + c.principal + `,"Action":"kinesis:Put*","Resource":"` + own + `"`)
		p, err := access.ParseResourcePolicy(text, own)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := p.Judge(&ask); got != c.want {
			t.Errorf("%s: %v, want %v", c.principal, got, c.want)
		}
	}
	for _, c := range []struct{ policy, why string }{
		{policy(`"Resource":"` + own + `"`), "Principal must be"},
		{policy(`"Principal":{"AWS":"press-7"},"Resource":"` + own + `"`), "is no principal"},
		{policy(`"Principal":"*","Resource":"` + stream + `others"`), "it is not about"},
		{policy(`"Principal":{"Federated":"x"}`), "is not known in Principal"},
	} {
		if _, err := access.ParseResourcePolicy(c.policy, own); shardlog.KindOf(err) != shardlog.Invalid || !strings.Contains(fmt.Sprint(err), c.why) {
			t.Errorf("%s\n     %v\nwant %s", c.policy, err, c.why)
		}
	}
}

// FuzzPolicy reads anything and asks it. What is read must not panic, and must
// answer the same whenever it is asked.
func FuzzPolicy(f *testing.F) {
	f.Add(policy(""), stream+"orders")
	f.Add(policy(`"Effect":"Deny","Action":["a:*b*c"],"Condition":{"StringLike":{"aws:username":"*a*b*"},"IpAddress":{"aws:SourceIp":["::/0"]}}`), "*")
	f.Add(policy(`"Principal":{"AWS":"*"},"NotResource":"arn:aws:kinesis:*:*:stream/${aws:username}"`), "arn:::::")
	f.Fuzz(func(t *testing.T, text, resource string) {
		ask := access.Request{User: "press-7", Action: "kinesis:PutRecord", Resource: resource, Source: netip.IPv6Loopback()}
		for _, parse := range []func() (*access.Policy, error){
			func() (*access.Policy, error) { return access.ParseKeyPolicy(text) },
			func() (*access.Policy, error) { return access.ParseResourcePolicy(text, resource) },
		} {
			p, err := parse()
			if err != nil {
				if shardlog.KindOf(err) != shardlog.Invalid {
					t.Errorf("kind %v: %v", shardlog.KindOf(err), err)
				}
				continue
			}
			if p.Judge(&ask) != p.Judge(&ask) || p.Text() != text {
				t.Error("changed its mind")
			}
		}
	})
}
