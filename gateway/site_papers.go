package gateway

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"headgate/gateway/access"
)

// standInKey is local: the fingerprint of papers that only stand in for those
// of the site, which were damaged.
const standInKey = "site/stand-in"

// openWithoutPapers sets papers aside that cannot be read, and makes others in
// their place that no gateway believes: this one starts, isolated, keeps in its
// spool what devices send, and says what would help.
func (g *Gateway) openWithoutPapers(cause error) (*access.Site, error) {
	kept, err := access.Neighbours(g.siteDir())
	if err != nil {
		kept = nil // nor can they be read
	}
	broken := g.siteDir() + ".broken-" + time.Now().UTC().Format("20060102-150405.000")
	if err := os.Rename(g.siteDir(), broken); err != nil {
		return nil, errors.Join(cause, fmt.Errorf("set papers aside: %w", err))
	}
	g.log.Error("papers of the site cannot be used and are set aside: this gateway is isolated until it has ca.pem and ca.key of another one", "aside", broken, "error", cause)
	papers, err := access.FoundSite(g.siteDir(), g.name(), g.latest())
	if err != nil {
		return nil, errors.Join(cause, err)
	}
	if err := g.store.SetLocal(standInKey, []byte(fingerprint(papers))); err != nil {
		return nil, err
	}
	return papers, papers.KeepNeighbours(kept)
}

func fingerprint(papers *access.Site) string {
	f := papers.Fingerprint()
	return hex.EncodeToString(f[:])
}

// papersFault says what is wrong with the papers, "" for nothing.
func (g *Gateway) papersFault() string {
	if mark, err := g.store.Local(standInKey); err == nil && string(mark) == fingerprint(g.site.papers) {
		return "they were damaged, and the other gateways do not know these: stop this one, copy ca.pem and ca.key from the folder site of another, remove gateway.pem, start again"
	}
	if err := g.site.papers.Fault(); err != nil {
		return err.Error()
	}
	return ""
}
