package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Secret names where a secret lies: in a file, in an environment variable or
// among the credentials that systemd hands to the service. The configuration
// itself holds none.
type Secret struct {
	File       string `yaml:"file" json:"file,omitempty"`
	Env        string `yaml:"env" json:"env,omitempty"`
	Credential string `yaml:"credential" json:"credential,omitempty"` // LoadCredential=NAME:…: $CREDENTIALS_DIRECTORY/NAME
}

// maxSecret bounds what is read from a file that should hold one secret.
const maxSecret = 4 << 10

// check answers what is wrong, "" when nothing is.
func (s *Secret) check() string {
	set := 0
	for _, one := range []string{s.File, s.Env, s.Credential} {
		if one != "" {
			set++
		}
	}
	switch {
	case set != 1:
		return "say where it lies: file, env or credential"
	case s.Credential != "" && s.Credential != filepath.Base(s.Credential):
		return fmt.Sprintf("%q is no name of a credential", s.Credential)
	}
	return ""
}

// Read fetches the secret. An absent reference is the empty secret.
func (s *Secret) Read() (string, error) {
	switch {
	case s == nil:
		return "", nil
	case s.Env != "":
		value, ok := os.LookupEnv(s.Env)
		if !ok {
			return "", fmt.Errorf("read secret: the environment has no %s", s.Env)
		}
		return value, nil
	case s.Credential != "":
		folder, ok := os.LookupEnv("CREDENTIALS_DIRECTORY")
		if !ok {
			return "", fmt.Errorf("read secret: credential %s: systemd handed none over (LoadCredential=%s:/path)", s.Credential, s.Credential)
		}
		return readSecret(filepath.Join(folder, filepath.Base(s.Credential)))
	}
	return readSecret(s.File)
}

func readSecret(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	if info.Size() > maxSecret {
		return "", fmt.Errorf("read secret: %s has %d bytes, more than any secret", name, info.Size())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// secretsFolder, below the data folder, and secretsEnv are all that a
// reference which came over the network may name: whoever holds a key of the
// API could otherwise have any file of the gateway sent to a server of his own.
const (
	secretsFolder = "secrets"
	secretsEnv    = "HEADGATE_SECRET_"
)

// confine makes a reference that came over the network one below the data
// folder's secrets, or answers why it may not be.
func (s *Secret) confine(data string) error {
	switch {
	case s == nil || s.Credential != "":
		return nil
	case s.Env != "":
		if !strings.HasPrefix(s.Env, secretsEnv) {
			return fmt.Errorf("env:%s: over the API only variables that begin with %s may be named", s.Env, secretsEnv)
		}
		return nil
	}
	folder, err := filepath.Abs(filepath.Join(data, secretsFolder))
	if err != nil {
		return fmt.Errorf("find the folder of secrets: %w", err)
	}
	name := s.File
	if filepath.IsAbs(name) {
		if name, err = filepath.Rel(folder, filepath.Clean(name)); err != nil {
			name = ".."
		}
	}
	if !filepath.IsLocal(name) {
		return fmt.Errorf("file:%s: over the API only files in %s may be named", s.File, folder)
	}
	s.File = filepath.Join(folder, name)
	return nil
}
