package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrInvalidName means that a text is not the name of a token.
var ErrInvalidName = errors.New("token: name must be projects/{project}/connections/{connection}[/grants/{grant}]/token")

// Key names a token: that of a connection, or of a grant under it. It is comparable.
type Key struct {
	Project    string
	Connection string
	Grant      string // empty for the connection's own token
}

// Name returns the resource name, `projects/{project}/connections/{connection}[/grants/{grant}]/token`.
func (k Key) Name() string {
	if k.Grant == "" {
		return k.ConnectionName() + "/token"
	}
	return k.ConnectionName() + "/grants/" + k.Grant + "/token"
}

// ConnectionName returns the name of the connection whose token it is.
func (k Key) ConnectionName() string {
	return "projects/" + k.Project + "/connections/" + k.Connection
}

// SettingsName returns the name that the connection service has settings under: that of the connection, or of the grant.
func (k Key) SettingsName() string { return strings.TrimSuffix(k.Name(), "/token") }

// RotationName returns the name of one of the token's rotations.
func (k Key) RotationName(id string) string { return k.Name() + "/rotations/" + id }

// ParseName is the inverse of [Key.Name]. It checks the shape, not the characters of the ids: request validation does
// that. Errors are [ErrInvalidName].
func ParseName(name string) (Key, error) {
	parts := strings.Split(name, "/")
	switch {
	case slices.Contains(parts, ""):
	case len(parts) == 5 && parts[0] == "projects" && parts[2] == "connections" && parts[4] == "token":
		return Key{Project: parts[1], Connection: parts[3]}, nil
	case len(parts) == 7 && parts[0] == "projects" && parts[2] == "connections" && parts[4] == "grants" && parts[6] == "token":
		return Key{Project: parts[1], Connection: parts[3], Grant: parts[5]}, nil
	}
	return Key{}, fmt.Errorf("%w: %q", ErrInvalidName, name)
}
