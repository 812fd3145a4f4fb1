package access_test

import (
	"reflect"
	"strings"
	"testing"

	"headgate/gateway/access"
	"headgate/shardlog"
)

func TestJoinCode(t *testing.T) {
	s, _ := found(t, "g0")
	code, err := s.Invite("10.0.0.1:7400", "[2001:db8::1]:7400", "box-2.plant.example:17400", "[fe80::1%eth0]:1")
	if err != nil {
		t.Fatal(err)
	}
	text := code.Text()
	if strings.ContainsAny(text, " \n\t") || len(text) > 250 {
		t.Errorf("a code of %d characters: %s", len(text), text)
	}
	for name, pasted := range map[string]string{
		"as it is":  text,
		"capitals":  strings.ToUpper(text),
		"quoted":    "  \"" + text + "\"\r\n",
		"two lines": text[:40] + "\n    " + text[40:],
		"mixed up":  strings.NewReplacer("0", "O", "1", "l").Replace(text),
	} {
		got, err := access.ParseJoinCode(pasted)
		if err != nil || !reflect.DeepEqual(got, code) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if one, _ := s.Invite("10.0.0.1:7400"); len(one.Text()) > 80 {
		t.Errorf("a code for one address has %d characters", len(one.Text()))
	}
}

func TestJoinCodeThatIsWrong(t *testing.T) {
	s, _ := found(t, "g0")
	code, err := s.Invite("10.0.0.1:7400")
	if err != nil {
		t.Fatal(err)
	}
	text := code.Text()
	for wrong, says := range map[string]string{
		"":                                "begins with",
		"hello":                           "begins with",
		"hg-":                             "too short",
		"hg-abc":                          "too short",
		text[:len(text)-3]:                "check does not match",
		text + "xx":                       "check does not match",
		text[:20] + "u" + text[21:]:       "character 21, 'u'",
		text[:20] + "ä" + text[21:]:       "character 21, 'ä'",
		"hg-" + strings.Repeat("a", 5000): "too long",
	} {
		if _, err := access.ParseJoinCode(wrong); shardlog.KindOf(err) != shardlog.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%.30s…: %v, which does not say %q", wrong, err, says)
		}
	}
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	for i := 3; i < len(text); i++ {
		next := alphabet[(strings.IndexByte(alphabet, text[i])+1)%32]
		typo := text[:i] + string(next) + text[i+1:]
		if got, err := access.ParseJoinCode(typo); err == nil && !reflect.DeepEqual(got, code) {
			t.Errorf("a typo at %d is not seen: %v", i, got)
		}
	}
	if _, err := s.Invite(); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("no address: %v", err)
	}
	for _, a := range []string{"10.0.0.1", ":7400", "h:0", "h:70000", "h:http", "h:+1", "a b:1", "h:01"} {
		if _, err := s.Invite(a); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%q: %v", a, err)
		}
	}
}

func TestJoinSecret(t *testing.T) {
	a, b := access.NewJoinSecret(), access.NewJoinSecret()
	if a == b || len(a.Hash()) != 64 || !a.Is(a.Hash()) || a.Is(b.Hash()) || a.Is("") {
		t.Error("secrets are not told apart")
	}
}

func FuzzJoinCode(f *testing.F) {
	f.Add("hg-0123456789abcdef")
	f.Add("hg-04000000000000000000000000000000000000000000000000000000001010000000000000000")
	f.Fuzz(func(t *testing.T, text string) {
		code, err := access.ParseJoinCode(text)
		if err != nil {
			if shardlog.KindOf(err) != shardlog.Invalid {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := access.ParseJoinCode(code.Text())
		if err != nil || !reflect.DeepEqual(again, code) {
			t.Errorf("%v became %v, %v", code, again, err)
		}
	})
}

// FuzzJoinCodeBody seals any bytes as a code, so that what follows the check
// is reached.
func FuzzJoinCodeBody(f *testing.F) {
	f.Add([]byte{1})
	f.Add(append(make([]byte, 33), 4, 10, 0, 0, 1, 28, 232))
	f.Fuzz(func(t *testing.T, body []byte) {
		code, err := access.ParseJoinCode(access.SealJoinCode(body))
		if err == nil && (len(code.Addresses) == 0 || len(code.Addresses) > 8) {
			t.Errorf("%v", code)
		}
		if err != nil {
			return
		}
		if again, err := access.ParseJoinCode(code.Text()); err != nil || !reflect.DeepEqual(again, code) {
			t.Errorf("%v became %v, %v", code, again, err)
		}
	})
}
