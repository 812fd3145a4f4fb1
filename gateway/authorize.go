package gateway

import (
	"context"
	"strings"

	"headgate/gateway/access"
	"headgate/gateway/awsapi"
)

// authorize lets a caller do what its key's policy or that of the resource
// allows, unless either denies it. A key without a policy may do everything
// that no resource denies it.
func (g *Gateway) authorize(ctx context.Context, ask *awsapi.Ask) error {
	name, own, ok := g.keys.Policy(ask.Caller.KeyID)
	if !ok { // it was deleted a moment ago
		return awsapi.Fail("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if own == nil && !strings.HasPrefix(ask.Action, "kinesis:") {
		return nil // only streams have policies of their own
	}
	needs, err := ask.Needs(ctx)
	if err != nil {
		return err
	}
	r := access.Request{User: name, KeyID: ask.Caller.KeyID, Source: ask.Source, Secure: ask.Secure}
	if !ask.Caller.SkewUnchecked {
		r.Now = ask.Now
	}
	for _, need := range needs {
		r.Action, r.Resource = need.Action, need.Resource
		of, err := g.kinesis.PolicyOf(ctx, need.Resource)
		if err != nil {
			return err
		}
		if why := barred(own, of, &r); why != "" {
			return awsapi.Fail("AccessDeniedException", "User: %s is not authorized to perform: %s on resource: %s %s",
				r.Principal(), r.Action, r.Resource, why)
		}
	}
	return nil
}

// barred says why the policies of key and resource do not let a request pass,
// "" when they do. Either may be nil.
func barred(own, of *access.Policy, r *access.Request) string {
	byOwn, byOf := access.Allow, access.Silent
	if own != nil {
		byOwn = own.Judge(r)
	}
	if of != nil {
		byOf = of.Judge(r)
	}
	switch {
	case byOwn == access.Deny:
		return "with an explicit deny in an identity-based policy"
	case byOf == access.Deny:
		return "with an explicit deny in a resource-based policy"
	case byOwn == access.Allow || byOf == access.Allow:
		return ""
	}
	return "because no identity-based policy allows the " + r.Action + " action"
}

// denied is how many calls were, by service.
func (g *Gateway) denied() map[string]int64 {
	all := map[string]int64{}
	for op, s := range g.door.Stats().Ops {
		service, _, _ := strings.Cut(op, ".")
		all[service] += s.Denied
	}
	return all
}
