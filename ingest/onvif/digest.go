package onvif

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// digest answers the best of a device's HTTP digest challenges (RFC 7616):
// SHA-256 before MD5, qop auth or none; "" when there is none.
func digest(challenges []string, user, password string, address *url.URL) string {
	var best map[string]string
	for _, c := range challenges {
		values, ok := challenge(c)
		algorithm := strings.ToUpper(values["algorithm"])
		if !ok || algorithm != "" && algorithm != "MD5" && algorithm != "SHA-256" {
			continue
		}
		if best == nil || algorithm == "SHA-256" {
			best = values
		}
	}
	if best == nil {
		return ""
	}
	sum := func(text string) string { h := md5.Sum([]byte(text)); return hex.EncodeToString(h[:]) }
	if strings.EqualFold(best["algorithm"], "SHA-256") {
		sum = func(text string) string { h := sha256.Sum256([]byte(text)); return hex.EncodeToString(h[:]) }
	}
	path := address.RequestURI()
	a1, a2 := sum(user+":"+best["realm"]+":"+password), sum("POST:"+path)
	var b [8]byte
	rand.Read(b[:]) // never fails
	ours := hex.EncodeToString(b[:])
	response, extra := sum(a1+":"+best["nonce"]+":"+a2), ""
	if best["qop"] != "" {
		response = sum(a1 + ":" + best["nonce"] + ":00000001:" + ours + ":auth:" + a2)
		extra = fmt.Sprintf(`, qop=auth, nc=00000001, cnonce="%s"`, ours)
	}
	for _, name := range []string{"algorithm", "opaque"} {
		if v := best[name]; v != "" {
			extra += fmt.Sprintf(`, %s=%s`, name, quoted(v, name != "algorithm"))
		}
	}
	return fmt.Sprintf(`Digest username=%s, realm=%s, nonce=%s, uri=%s, response="%s"%s`,
		quoted(user, true), quoted(best["realm"], true), quoted(best["nonce"], true), quoted(path, true), response, extra)
}

func quoted(s string, quote bool) string {
	if !quote {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// challenge reads the fields of a challenge; false when it is no digest's.
func challenge(text string) (map[string]string, bool) {
	scheme, rest, _ := strings.Cut(text, " ")
	if !strings.EqualFold(scheme, "digest") {
		return nil, false
	}
	values := map[string]string{}
	for rest = strings.TrimLeft(rest, " ,\t"); rest != ""; rest = strings.TrimLeft(rest, " ,\t") {
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		var value string
		if value, rest = field(after); value != "" {
			values[strings.ToLower(strings.TrimSpace(name))] = value
		}
	}
	return values, values["nonce"] != ""
}

// field cuts a value, quoted or not, off the front.
func field(text string) (value, rest string) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, ",")
		return strings.TrimSpace(value), rest
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), text[i+1:]
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String(), ""
}
