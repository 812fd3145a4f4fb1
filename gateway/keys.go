package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"headgate/gateway/access"
)

// keysFile is where the key pairs of the AWS APIs lie in the data folder.
const keysFile = "keys"

// Keys are the ids of the key pairs of a data folder, whether a gateway runs
// on it or not.
func Keys(data string) ([]string, error) { return access.List(filepath.Join(data, keysFile)) }

// CreateKey adds a key pair to a data folder. A gateway that runs on it takes
// the pair at once.
func CreateKey(ctx context.Context, data string) (access.KeyPair, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return access.KeyPair{}, fmt.Errorf("make data folder: %w", err)
	}
	pair, err := access.Create(filepath.Join(data, keysFile))
	if err != nil {
		return access.KeyPair{}, err
	}
	return pair, Dial(data).reloadKeys(ctx)
}

// RevokeKey takes a key pair from a data folder. A gateway that runs on it
// refuses the pair from then on. Kinds: NotFound, InUse for the last one.
func RevokeKey(ctx context.Context, data, id string) error {
	if err := access.Revoke(filepath.Join(data, keysFile), id); err != nil {
		return err
	}
	return Dial(data).reloadKeys(ctx)
}

// reloadKeys tells the gateway, if one runs, that the key file changed.
func (c *Client) reloadKeys(ctx context.Context) error {
	if !c.Running() {
		return nil
	}
	if err := c.call(ctx, http.MethodPut, "/keys", nil, nil); err != nil {
		return errors.Join(errors.New("the key file is changed, but the running gateway did not read it: restart it"), err)
	}
	return nil
}

// reloadKeys reads the key file again.
func (a *admin) reloadKeys(http.ResponseWriter, *http.Request) (any, error) {
	return struct{}{}, a.keys.Reload()
}
