package access

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strings"

	"headgate/shardlog"
)

// Neighbour is a gateway of the site as it was last known: where one that has
// lost its log may ask to be let in again.
type Neighbour struct {
	ID, Address string
}

const peersHead = "# gateways of this site as last known: id and address, one a line\n"

// Neighbours reads the list of gateways that KeepNeighbours wrote last. Lines
// that are none are passed over: the list helps, it does not decide.
func (s *Site) Neighbours() ([]Neighbour, error) { return Neighbours(s.dir) }

// Neighbours is Site's for the folder dir, whether the papers in it can be
// read or not; there are none where there are no papers.
func Neighbours(dir string) ([]Neighbour, error) {
	text, err := readKeys(filepath.Join(dir, peersFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read neighbours: %w", err)
	}
	var all []Neighbour
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) == 2 && IsGatewayID(f[0]) && isAddress(f[1]) {
			all = append(all, Neighbour{f[0], f[1]})
		}
	}
	return all, nil
}

// KeepNeighbours writes the list of gateways, and nothing when it is the same
// as before. Kind Invalid for an id or an address that cannot be one.
func (s *Site) KeepNeighbours(all []Neighbour) error {
	text := []byte(peersHead)
	for _, n := range all {
		if !IsGatewayID(n.ID) || !isAddress(n.Address) {
			return shardlog.Errorf(shardlog.Invalid, "keep neighbours", "%.80q at %.80q cannot be a gateway", n.ID, n.Address)
		}
		text = fmt.Appendf(text, "%s %s\n", n.ID, n.Address)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := filepath.Join(s.dir, peersFile)
	if was, err := readKeys(path); err == nil && bytes.Equal(was, text) {
		return nil
	}
	if err := writeFile(path, text); err != nil {
		return fmt.Errorf("keep neighbours: %w", err)
	}
	return nil
}

// isAddress reports whether the text is "host:port" with a port by number.
func isAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	return err == nil && isHost(host) && isPort(port)
}

func isHost(host string) bool {
	return host != "" && len(host) <= 253 && !strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == '[' || r == ']' })
}

func isPort(port string) bool {
	n := 0
	for _, c := range port {
		if c < '0' || c > '9' || n > 65535 {
			return false
		}
		n = 10*n + int(c-'0')
	}
	return n > 0 && n <= 65535 && port[0] != '0'
}
