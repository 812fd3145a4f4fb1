package dynamoapi

import (
	"encoding/json"
	"testing"
)

// FuzzExpressions: whatever the expressions and the item are, nothing panics,
// and an item that came out can go in again.
func FuzzExpressions(f *testing.F) {
	f.Add("a = :v AND NOT (b < :n OR attribute_exists(c.d[1]))", "SET a = if_not_exists(b, :n) + :n, c[1] = :v REMOVE d ADD n :n", `{"a":{"S":"x"},"n":{"N":"1"},"c":{"L":[{"N":"1"}]}}`)
	f.Add("size(a) BETWEEN :n AND :n", "DELETE s :v", `{"s":{"SS":["a","b"]}}`)
	f.Add("a IN (:v, :n) OR contains(s, :v)", "SET l = list_append(l, :v)", `{"l":{"L":[]},"m":{"M":{"x":{"BOOL":true}}},"b":{"B":"AAE="}}`)
	f.Fuzz(func(t *testing.T, condition, update, text string) {
		var it item
		if json.Unmarshal([]byte(text), &it) != nil {
			return
		}
		n := names{Values: map[string]value{":v": {kind: "S", text: "x"}, ":n": {kind: "N", text: "1"}}}
		if c, err := n.condition("ConditionExpression", condition); err == nil {
			c(it)
			c(nil)
		}
		u, err := n.update(update)
		if err != nil {
			return
		}
		now := item{}
		for name, v := range it {
			now[name] = v
		}
		if now, err = u(it, now); err != nil {
			return
		}
		written, err := json.Marshal(now)
		if err != nil {
			t.Fatal(err)
		}
		var again item
		if err := json.Unmarshal(written, &again); err != nil {
			t.Errorf("%s: %v", written, err)
		}
	})
}
