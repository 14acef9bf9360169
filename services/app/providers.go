package app

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/freshet-io/freshet/services/connection/catalog"
)

// providers returns the provider catalogue with the operator's own entries.
func (p *process) providers() (*catalog.Catalog, error) {
	var own fs.FS
	if dir := p.config.ProvidersDir; dir != "" {
		own = os.DirFS(dir)
	}
	c, err := catalog.New(own)
	if err != nil {
		return nil, fmt.Errorf("providers_dir: %w", err)
	}
	return c, nil
}
