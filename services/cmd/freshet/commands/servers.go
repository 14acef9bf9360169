package commands

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The roles that commands call. Where each runs in a process of its own, each has its own address.
const (
	roleConnection = "connection"
	roleToken      = "token"
	roleDelivery   = "delivery"
	roleGateway    = "gateway"
)

// servers are gRPC addresses by role.
type servers map[string]string

// parseServers reads --server: one address that serves every role, or addresses by role in the form of serve's --peers,
// `connection=host:port;token=host:port`.
func parseServers(text string) (servers, error) {
	roles := []string{roleConnection, roleToken, roleDelivery, roleGateway}
	found := servers{}
	if !strings.ContainsAny(text, "=;") {
		addr := strings.TrimSpace(text)
		if addr == "" {
			return nil, errors.New("an address host:port is needed, or addresses by role: connection=host:port;token=host:port;delivery=host:port;gateway=host:port")
		}
		for _, role := range roles {
			found[role] = addr
		}
		return found, nil
	}
	for part := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue // a semicolon at the end
		}
		role, addr, _ := strings.Cut(part, "=")
		role, addr = strings.TrimSpace(role), strings.TrimSpace(addr)
		switch {
		case !slices.Contains(roles, role):
			return nil, fmt.Errorf("%q is none of %s", role, strings.Join(roles, ", "))
		case addr == "":
			return nil, fmt.Errorf("%s has no address: %s=host:port", role, role)
		case found[role] != "":
			return nil, fmt.Errorf("%s has two addresses", role)
		}
		found[role] = addr
	}
	return found, nil
}

// of returns the address of a role.
func (s servers) of(role string) (string, error) {
	if s[role] == "" {
		return "", fmt.Errorf("no address of the %s role, which this command calls: add %s=host:port", role, role)
	}
	return s[role], nil
}
