package kinesisapi

import (
	"sync"

	"headgate/gateway/access"
	"headgate/shardlog"
)

// policies keeps policies of streams and consumers as they were read last: they
// are asked in every call. The zero value is ready.
type policies struct {
	mu   sync.Mutex
	read map[string]*access.Policy // guarded by mu, by text
}

// maxPolicies bounds how many are kept.
const maxPolicies = 256

// parse reads the policy of a resource.
func (p *policies) parse(text, resource string) (*access.Policy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if policy, ok := p.read[text]; ok {
		return policy, nil
	}
	policy, err := access.ParseResourcePolicy(text, resource)
	if err != nil {
		// It was checked when it was set, by another release perhaps. Who wrote it
		// may have denied something, so nobody comes in until it is set anew.
		return nil, shardlog.Errorf(shardlog.Denied, "read policy", "the policy of %s is not understood: %w", resource, err)
	}
	if p.read == nil || len(p.read) >= maxPolicies {
		p.read = map[string]*access.Policy{}
	}
	p.read[text] = policy
	return policy, nil
}
