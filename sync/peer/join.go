package peer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"headgate/shardlog"
)

// Secret is bytes that must not be printed: it prints as ***.
type Secret []byte

// String hides the secret.
func (Secret) String() string { return "***" }

// GoString hides the secret.
func (Secret) GoString() string { return "peer.Secret{***}" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// Format hides the secret, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "***") }

// Invitation is a join code in parts.
type Invitation struct {
	Addresses []string // of members
	Authority []byte   // the SHA-256 of the authority's certificate, or its first 16 bytes or more
	Secret    Secret
}

// LogValue is the invitation without the secret.
func (i Invitation) LogValue() slog.Value {
	return slog.StringValue("invitation of " + strings.Join(i.Addresses, ", "))
}

// JoinRequest is what a newcomer asks. A gateway that has papers but lost its
// log does not ask this way: it calls a member, with its certificate.
type JoinRequest struct {
	Secret    Secret `json:"secret"`
	ID        string `json:"id"`
	Address   string `json:"address"` // where it will listen for its peers
	Version   string `json:"version"`
	Protocol  Range  `json:"protocol"`
	PublicKey []byte `json:"publicKey"` // PKIX, of the key it made for itself
}

// JoinAnswer is what makes a newcomer a member.
type JoinAnswer struct {
	Site         string   `json:"site"`
	Certificate  []byte   `json:"certificate"`  // the newcomer's, DER
	Authority    []byte   `json:"authority"`    // DER
	AuthorityKey Secret   `json:"authorityKey"` // PKCS #8
	Members      []Member `json:"members"`
	Keys         Secret   `json:"keys,omitempty"` // what the gateways share besides; opaque here
}

// LogValue is the request without the secret.
func (r JoinRequest) LogValue() slog.Value {
	return slog.StringValue("gateway " + r.ID + " at " + r.Address)
}

// LogValue is the answer without the keys.
func (a JoinAnswer) LogValue() slog.Value { return slog.StringValue("papers of site " + a.Site) }

const (
	maxJoinRequest = 16 << 10
	maxJoinAnswer  = 1 << 20
	admitTime      = 30 * time.Second
)

// joinResult is an answer on its way: one of the two.
//
// Question and answer are each a length (4, BE) and so many bytes of JSON.
type joinResult struct {
	Answer *JoinAnswer `json:"answer,omitempty"`
	Error  *wireError  `json:"error,omitempty"`
}

// Join asks the members that the invitation names, one after the other, until
// one answers, and sends the secret to none that does not prove to be of the
// invitation's site. Whoever gets an error may ask again with the same request.
// Kinds: Denied when the code is wrong, used or too old; Throttled after too
// many wrong codes; Invalid for a request that cannot be; Unavailable or
// Unknown when no member answered.
func Join(ctx context.Context, i Invitation, r JoinRequest) (JoinAnswer, error) {
	if err := r.validate(); err != nil {
		return JoinAnswer{}, err
	}
	if len(i.Authority) < 16 || len(i.Addresses) == 0 {
		return JoinAnswer{}, shardlog.Errorf(shardlog.Invalid, "join", "the invitation names no member or no authority")
	}
	r.Secret = i.Secret
	var tried []error
	for _, address := range i.Addresses {
		answer, err := joinAt(ctx, address, i.Authority, r)
		if err == nil {
			return answer, nil
		}
		tried = append(tried, fmt.Errorf("member at %s: %w", address, err))
		if kind := shardlog.KindOf(err); kind != shardlog.Unavailable && kind != shardlog.Unknown && kind != shardlog.Internal || ctx.Err() != nil {
			break // a member has answered
		}
	}
	// The last word counts: its Kind is the first that KindOf finds.
	last := tried[len(tried)-1]
	return JoinAnswer{}, &shardlog.Error{Kind: shardlog.KindOf(last), Op: "join", RetryAfter: shardlog.RetryAfter(last), Err: errors.Join(tried...)}
}

func joinAt(ctx context.Context, address string, authority []byte, r JoinRequest) (JoinAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, admitTime+5*time.Second)
	defer cancel()
	c, err := dialMember(ctx, address, authority)
	if err != nil {
		return JoinAnswer{}, unreachable(address, err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	if err := writeFrame(c, r); err != nil {
		return JoinAnswer{}, unanswered(address, err)
	}
	text, err := readFrame(c, maxJoinAnswer)
	if err != nil {
		return JoinAnswer{}, unanswered(address, err)
	}
	var result joinResult
	if err := json.Unmarshal(text, &result); err != nil || (result.Answer == nil) == (result.Error == nil) {
		return JoinAnswer{}, unanswered(address, errors.New("its answer cannot be read"))
	}
	if result.Error != nil {
		text, _ := json.Marshal(result.Error)
		return JoinAnswer{}, decodeError(text)
	}
	return *result.Answer, nil
}

// dialMember connects to a gateway whose authority is the one of the invitation.
func dialMember(ctx context.Context, address string, authority []byte) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c, err := secure(ctx, raw, &tls.Config{
		NextProtos:       []string{protoJoin},
		VerifyConnection: func(s tls.ConnectionState) error { return ofAuthority(s.PeerCertificates, authority) },
	})
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

// ofAuthority says why a chain is not of the authority with that fingerprint.
// The dates are not judged: a newcomer's clock may be anything.
func ofAuthority(chain []*x509.Certificate, fingerprint []byte) error {
	if len(chain) < 2 {
		return errors.New("it does not show its site's authority")
	}
	sum := sha256.Sum256(chain[1].Raw)
	if n := len(fingerprint); n < 16 || n > len(sum) || subtle.ConstantTimeCompare(sum[:n], fingerprint) != 1 {
		return errors.New("it belongs to another site than the join code")
	}
	if err := chain[0].CheckSignatureFrom(chain[1]); err != nil {
		return fmt.Errorf("its certificate is not of its site's authority: %w", err)
	}
	return nil
}

// validate says what cannot be in a request.
func (r *JoinRequest) validate() error {
	host, port, err := net.SplitHostPort(r.Address)
	switch {
	case !validID(r.ID):
		return shardlog.Errorf(shardlog.Invalid, "join", "%.80q cannot be the id of a gateway", r.ID)
	case err != nil || host == "" || port == "" || len(r.Address) > 300:
		return shardlog.Errorf(shardlog.Invalid, "join", "%.80q is no address that others can reach", r.Address)
	case len(r.Version) > 100 || len(r.PublicKey) == 0 || len(r.PublicKey) > 2048:
		return shardlog.Errorf(shardlog.Invalid, "join", "the version or the key cannot be right")
	}
	return nil
}

// parseJoinRequest reads a request that a stranger sent.
func parseJoinRequest(text []byte) (JoinRequest, error) {
	var r JoinRequest
	if err := json.Unmarshal(text, &r); err != nil {
		return JoinRequest{}, shardlog.Errorf(shardlog.Invalid, "join", "the request cannot be read")
	}
	return r, r.validate()
}

func readFrame(r io.Reader, most uint32) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > most {
		return nil, fmt.Errorf("%d bytes, %d are allowed", n, most)
	}
	var text bytes.Buffer // grows with what arrives, not with what was announced
	if _, err := io.CopyN(&text, r, int64(n)); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

func writeFrame(w io.Writer, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	return err
}
