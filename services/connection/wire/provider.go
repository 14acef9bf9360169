package wire

import (
	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection/catalog"
)

// FromProvider returns the message of a catalogue entry, without its definition.
func FromProvider(entry catalog.Listed) (*connectionv1.Provider, error) {
	defaults, err := entry.Preview()
	if err != nil {
		return nil, err
	}
	m := &connectionv1.Provider{
		Name:        ProviderName(entry.ID),
		DisplayName: entry.Name,
		Description: entry.Description,
		Own:         entry.Own,
		Docs:        entry.Docs,
		Grants:      entry.Grants,
		Defaults:    fromOAuth2(defaults),
	}
	for _, p := range entry.Instance {
		m.Parameters = append(m.Parameters, &connectionv1.ProviderParameter{
			Key: p.Name, Description: p.Description, Pattern: p.Pattern, DefaultValue: p.Default, Example: p.Example,
		})
	}
	return m, nil
}
