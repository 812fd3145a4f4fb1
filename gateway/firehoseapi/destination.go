package firehoseapi

import (
	"encoding/json"
	"maps"
	"strings"

	"headgate/gateway/awsapi"
)

// kind is one type of destination.
type kind struct {
	name    string // what stands before DestinationConfiguration, DestinationUpdate and DestinationDescription
	members func() []awsapi.Field
	preset  func(awsapi.Input)                  // fills in Firehose's defaults
	plan    func(awsapi.Input, *document) error // puts it into the gateway's words, or refuses it
	fixed   bool                                // it cannot be changed to another type
	secrets [][2]string                         // structure ("" for none) and member that descriptions leave out
}

// kinds is the one list of the destinations there are.
func kinds() []kind {
	return []kind{
		{name: "ExtendedS3", members: extendedMembers, preset: presetExtended, plan: planExtended},
		{name: "S3", members: s3Members, preset: presetS3, plan: planS3},
		{name: "Redshift", members: redshiftMembers, preset: presetRedshift, plan: planRedshift, secrets: [][2]string{{"", "Password"}}},
		{name: "Amazonopensearchservice", members: searchMembers, preset: presetSearch, plan: planSearch, fixed: true},
		{name: "Elasticsearch", members: searchMembers, preset: presetSearch, plan: planSearch, fixed: true},
		{name: "Splunk", members: splunkMembers, preset: presetSplunk, plan: planSplunk},
		{name: "HttpEndpoint", members: httpMembers, preset: presetHTTP, plan: planHTTP, secrets: [][2]string{{"EndpointConfiguration", "AccessKey"}}},
	}
}

// absentKinds are destinations of Firehose's that this gateway does not have.
func absentKinds() []string {
	return []string{"AmazonOpenSearchServerless", "Snowflake", "Iceberg"}
}

func kindNamed(name string) (kind, bool) {
	for _, k := range kinds() {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// destinationMembers are the members of a request that hold a destination.
func destinationMembers(suffix string) []awsapi.Field {
	var all []awsapi.Field
	for _, k := range kinds() {
		members := k.members()
		if suffix == updateSuffix {
			members = loose(members)
		}
		all = append(all, structure(k.name+suffix, members...))
	}
	for _, name := range absentKinds() {
		all = append(all, opaque(name+suffix))
	}
	return all
}

const (
	configurationSuffix = "DestinationConfiguration"
	updateSuffix        = "DestinationUpdate"
	descriptionSuffix   = "DestinationDescription"
)

// given is the one destination that a request holds. What it says and we do
// not know is refused by name.
func given(c *awsapi.Call, suffix string) (kind, awsapi.Input, error) {
	for _, name := range absentKinds() {
		if c.In.Has(name + suffix) {
			return kind{}, nil, refused(name+suffix, "there is no such sink")
		}
	}
	var found kind
	var in awsapi.Input
	for _, k := range kinds() {
		if !c.In.Has(k.name + suffix) {
			continue
		}
		if in != nil {
			return kind{}, nil, invalid("Exactly one destination configuration is supported for a Firehose.")
		}
		found, in = k, c.In.Inner(k.name+suffix)
	}
	if in == nil {
		return kind{}, nil, invalid("Exactly one destination configuration is supported for a Firehose.")
	}
	var raw map[string]any
	if err := json.Unmarshal(c.Body, &raw); err != nil { // the door has read it already
		return kind{}, nil, err
	}
	members := found.members()
	if suffix == updateSuffix {
		members = loose(members)
	}
	inside, _ := raw[found.name+suffix].(map[string]any)
	if bad := unknown(inside, members, found.name+suffix+"."); bad != "" {
		return kind{}, nil, refused(bad, "it is not known here")
	}
	return found, in, nil
}

// complete checks a destination as a whole, with Firehose's defaults in it,
// and writes it in the gateway's words.
func (k kind) complete(in awsapi.Input, d *document) error {
	k.preset(in)
	return k.plan(in, d)
}

// merge lays an update over a destination of the same type: members that it
// does not give stay as they are.
func (k kind) merge(was map[string]any, update awsapi.Input) (awsapi.Input, error) {
	merged := maps.Clone(was)
	for name, value := range update {
		target := name
		if base, ok := strings.CutSuffix(name, "Update"); ok { // S3Update, S3BackupUpdate
			target = base + "Configuration"
		}
		inner, nested := value.(awsapi.Input)
		before, there := merged[target].(map[string]any)
		if target != name && nested && there {
			both := maps.Clone(before)
			maps.Copy(both, inner)
			value = both
		}
		merged[target] = value
	}
	text, err := json.Marshal(merged)
	if err != nil {
		return nil, err
	}
	in, fault := awsapi.Read(text, k.members())
	if fault != nil {
		return nil, fault
	}
	return in, nil
}

// described is a destination as descriptions show it: without secrets, the
// buckets under their other names.
func (k kind) described(config map[string]any) map[string]any {
	shown := make(map[string]any, len(config))
	for name, value := range config {
		switch name {
		case "S3Configuration":
			name = "S3DestinationDescription"
		case "S3BackupConfiguration":
			name = "S3BackupDescription"
		}
		shown[name] = value
	}
	for _, s := range k.secrets {
		if s[0] == "" {
			delete(shown, s[1])
		} else if inner, ok := shown[s[0]].(map[string]any); ok {
			inner = maps.Clone(inner)
			delete(inner, s[1])
			shown[s[0]] = inner
		}
	}
	return shown
}

// s3View is a destination as S3DestinationDescription shows it, which
// Firehose answers beside ExtendedS3DestinationDescription.
func s3View(config map[string]any) map[string]any {
	shown := map[string]any{}
	for _, f := range s3Members() {
		if v, ok := config[f.Name]; ok {
			shown[f.Name] = v
		}
	}
	return shown
}

// fill sets a member that was not given.
func fill(in awsapi.Input, name string, value any) {
	if !in.Has(name) {
		in[name] = value
	}
}

// fillInner sets a member of a structure that was not given.
func fillInner(in awsapi.Input, name, member string, value any) {
	inner := in.Inner(name)
	if inner == nil {
		inner = awsapi.Input{}
		in[name] = inner
	}
	fill(inner, member, value)
}
