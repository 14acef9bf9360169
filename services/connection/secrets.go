package connection

import "github.com/freshet-io/freshet/services/internal/seal"

// place is one of the two sets of parameters, with its field path.
type place struct {
	field      string
	parameters *Parameters
}

func (s *Settings) places() []place {
	return []place{
		{"oauth2.token_parameters", &s.OAuth2.Token},
		{"invocation_parameters", &s.Invocation},
	}
}

// list is the parameters of one place in a request, with their field path.
type list struct {
	field      string
	header     bool
	parameters *[]Parameter
}

func (p place) lists() []list {
	return []list{
		{p.field + ".headers", true, &p.parameters.Headers},
		{p.field + ".query", false, &p.parameters.Query},
		{p.field + ".body", false, &p.parameters.Body},
	}
}

// WithoutSecrets returns a copy whose secret values are empty.
func (s Settings) WithoutSecrets() Settings {
	s = s.clone()
	s.OAuth2.ClientSecret = seal.Secret{}
	s.APIKey.Value = seal.Secret{}
	s.Basic.Password = seal.Secret{}
	for _, p := range s.places() {
		for _, l := range p.lists() {
			for i := range *l.parameters {
				if (*l.parameters)[i].Secret {
					(*l.parameters)[i].Value = seal.Secret{}
				}
			}
		}
	}
	return s
}

// KeepingSecrets returns a copy in which every empty secret, and every parameter without a value, has the value that stored has for it;
// parameters are matched by place and key. A secret parameter that is not to be secret any more keeps nothing: it would become readable.
func (s Settings) KeepingSecrets(stored Settings) Settings {
	s = s.clone()
	keep(&s.OAuth2.ClientSecret, stored.OAuth2.ClientSecret)
	keep(&s.APIKey.Value, stored.APIKey.Value)
	keep(&s.Basic.Password, stored.Basic.Password)
	old := stored.places()
	for i, p := range s.places() {
		oldLists := old[i].lists()
		for j, l := range p.lists() {
			keepValues(*l.parameters, *oldLists[j].parameters, l.header)
		}
	}
	return s
}

// revealed lists the parameters without a value that are not secret any more although stored has a secret for them. Keeping it would make it
// readable, and losing it would surprise.
func (s Settings) revealed(stored Settings) []Violation {
	var v []Violation
	old := stored.places()
	for i, p := range s.places() {
		oldLists := old[i].lists()
		for j, l := range p.lists() {
			secret := make(map[string]bool)
			for _, parameter := range *oldLists[j].parameters {
				secret[canonicalKey(parameter.Key, l.header)] = parameter.Secret
			}
			for k, parameter := range *l.parameters {
				if !parameter.Secret && parameter.Value.IsZero() && secret[canonicalKey(parameter.Key, l.header)] {
					v = append(v, Violation{indexed(l.field, k) + ".value", "is required: the stored value is secret and stays so"})
				}
			}
		}
	}
	return v
}

func keep(secret *seal.Secret, stored seal.Secret) {
	if secret.IsZero() {
		*secret = stored
	}
}

func keepValues(parameters, stored []Parameter, header bool) {
	values := make(map[string]Parameter, len(stored))
	for _, p := range stored {
		values[canonicalKey(p.Key, header)] = p
	}
	for i := range parameters {
		p := &parameters[i]
		if old, ok := values[canonicalKey(p.Key, header)]; ok && (p.Secret || !old.Secret) {
			keep(&p.Value, old.Value)
		}
	}
}

// clone copies the lists, so that a change of the copy leaves the original alone.
func (s Settings) clone() Settings {
	for _, p := range s.places() {
		for _, l := range p.lists() {
			*l.parameters = append([]Parameter(nil), *l.parameters...)
		}
	}
	return s
}

// missingSecrets lists the secrets that have no value.
func (s Settings) missingSecrets() []Violation {
	var missing []Violation
	require := func(present bool, field string) {
		if !present {
			missing = append(missing, Violation{field, "is required: nothing is stored for it"})
		}
	}
	switch s.Kind {
	case KindOAuth2:
		require(!s.OAuth2.ClientSecret.IsZero(), "oauth2.client_secret")
	case KindAPIKey:
		require(!s.APIKey.Value.IsZero(), "api_key.value")
	case KindBasic:
		require(!s.Basic.Password.IsZero(), "basic.password")
	}
	for _, p := range s.places() {
		for _, l := range p.lists() {
			for i, parameter := range *l.parameters {
				require(!parameter.Secret || !parameter.Value.IsZero(), indexed(l.field, i)+".value")
			}
		}
	}
	return missing
}
