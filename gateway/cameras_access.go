package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"headgate/ingest/webrtc"
	"headgate/shardlog"
)

// newToken is a token of 192 random bits, and what is kept of it.
func newToken() (token, hash string) {
	var b [24]byte
	rand.Read(b[:]) // never fails
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, hashToken(token)
}

// hashToken is what is kept of a token. A token is random, so one round does.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// authorize lets those in who hold the camera's token for what they want, by
// header, or for watching by the cookie that admitViewer gave. An open gateway
// asks nobody, but takes nothing from pages of other sites. Kind Denied.
func (c *cameras) authorize(r *http.Request, name shardlog.StreamName, role webrtc.Role) error {
	denied := &shardlog.Error{Kind: shardlog.Denied, Op: "use camera", Stream: name}
	if c.g.config.Open {
		if !sameSite(r) {
			denied.Err = errors.New("a gateway without credentials takes nothing from other sites' pages")
			return denied
		}
		return nil
	}
	if role == webrtc.View && c.admitted(r, name) {
		return nil
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		denied.Err = errors.New("send Authorization: Bearer TOKEN (headgate camera token prints them)")
		return denied
	}
	s, _, err := c.state(r.Context(), name)
	if err != nil {
		return err
	}
	want := s.Publish
	if role == webrtc.View {
		want = s.View
	}
	if want == "" || subtle.ConstantTimeCompare([]byte(hashToken(token)), []byte(want)) != 1 {
		denied.Err = fmt.Errorf("this token may not %s", role)
		return denied
	}
	return nil
}

// sameSite reports whether a request comes from no page, or from ours.
func sameSite(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host
}

// viewTime is how long a viewer's cookie lasts.
const viewTime = 12 * time.Hour

// cookieName is of the cookie of one camera.
func cookieName(name shardlog.StreamName) string {
	return "headgate_view_" + base64.RawURLEncoding.EncodeToString([]byte(name))
}

// admitViewer gives whoever may watch a cookie, so that the browser's own
// player may fetch clips without a token in their addresses.
func (c *cameras) admitViewer(w http.ResponseWriter, r *http.Request) {
	name := shardlog.StreamName(r.PathValue("camera"))
	if err := c.authorize(r, name, webrtc.View); err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="headgate"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	until := strconv.FormatInt(c.g.now().Add(viewTime).Unix(), 10)
	http.SetCookie(w, &http.Cookie{Name: cookieName(name), Value: until + "." + c.seal(name, until), Path: "/", MaxAge: int(viewTime.Seconds()),
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
	w.WriteHeader(http.StatusNoContent)
}

// seal signs how long one may watch a camera, with a key of this process.
func (c *cameras) seal(name shardlog.StreamName, until string) string {
	m := hmac.New(sha256.New, c.g.ticketKey[:])
	m.Write([]byte(string(name) + "\x00" + until))
	return hex.EncodeToString(m.Sum(nil))
}

func (c *cameras) admitted(r *http.Request, name shardlog.StreamName) bool {
	cookie, err := r.Cookie(cookieName(name))
	if err != nil {
		return false
	}
	until, sum, _ := strings.Cut(cookie.Value, ".")
	seconds, err := strconv.ParseInt(until, 10, 64)
	return err == nil && hmac.Equal([]byte(sum), []byte(c.seal(name, until))) && c.g.now().Unix() < seconds
}

// CameraTokens are a camera's tokens, shown once.
type CameraTokens struct {
	Camera  string `json:"camera"`
	Publish string `json:"publish"`
	View    string `json:"view"`
}

// renew makes new tokens; the old ones end.
func (c *cameras) renew(ctx context.Context, name shardlog.StreamName) (CameraTokens, error) {
	if s, ok := c.g.store.Stream(name); !ok || s.Class != shardlog.Video {
		return CameraTokens{}, &shardlog.Error{Kind: shardlog.NotFound, Op: "find camera", Stream: name}
	}
	publish, publishHash := newToken()
	view, viewHash := newToken()
	err := c.change(ctx, name, func(s *cameraState) error {
		s.Publish, s.View = publishHash, viewHash
		return nil
	})
	return CameraTokens{Camera: string(name), Publish: publish, View: view}, err
}
