package commands

import (
	"bytes"

	"sigs.k8s.io/yaml"

	"github.com/freshet-io/freshet/services/app"
)

type configCmd struct {
	settingsFlags
	Diff bool `help:"Print only what differs from the defaults."`
}

// Run prints the settings in the form of a settings file.
func (c *configCmd) Run(s *session) error {
	if err := c.validate(); err != nil {
		return err
	}
	text, err := c.Settings.YAML()
	if err != nil {
		return err
	}
	if c.Diff {
		defaults, err := app.DefaultConfig()
		if err != nil {
			return err
		}
		if text, err = difference(text, &defaults); err != nil {
			return err
		}
	}
	_, err = s.stdout.Write(text)
	return err
}

// difference returns the settings of text that are others than the defaults.
func difference(text []byte, defaults *app.Config) ([]byte, error) {
	defaultText, err := defaults.YAML()
	if err != nil {
		return nil, err
	}
	var effective, usual map[string]any
	if err := yaml.Unmarshal(text, &effective); err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(defaultText, &usual); err != nil {
		return nil, err
	}
	different, err := without(effective, usual)
	if err != nil {
		return nil, err
	}
	if len(different) == 0 {
		return []byte("# every setting has its default\n"), nil // a settings file like any other
	}
	return yaml.Marshal(different)
}

// without returns what of tree is not the same in usual. Values are the same if they are written the same.
func without(tree, usual map[string]any) (map[string]any, error) {
	out := map[string]any{}
	for key, value := range tree {
		if section, ok := value.(map[string]any); ok {
			below, _ := usual[key].(map[string]any)
			rest, err := without(section, below)
			if err != nil {
				return nil, err
			}
			if len(rest) > 0 {
				out[key] = rest
			}
			continue
		}
		text, err := yaml.Marshal(value)
		if err != nil {
			return nil, err
		}
		usualText, err := yaml.Marshal(usual[key])
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(text, usualText) {
			out[key] = value
		}
	}
	return out, nil
}
