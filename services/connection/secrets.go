package connection

import (
	"slices"

	"github.com/freshet-io/freshet/services/internal/seal"
)

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

// secretField is a secret of its own, which is no parameter's value.
type secretField struct {
	field    string
	value    *seal.Secret
	user     string // what it is for: "REFRESH_TOKEN", for people
	used     bool   // these settings are of that sort
	optional bool   // they are complete without it
}

// secretFields is the one list of them.
func (s *Settings) secretFields() []secretField {
	a := &s.OAuth2
	grant := func(g GrantType) bool { return s.Kind == KindOAuth2 && a.GrantType == g }
	oauth2 := func(used bool) bool { return s.Kind == KindOAuth2 && used }
	const withSecret = "CLIENT_SECRET_BASIC, CLIENT_SECRET_BASIC_RAW and CLIENT_SECRET_POST"
	return []secretField{
		{"api_key.value", &s.APIKey.Value, "API keys", s.Kind == KindAPIKey, false},
		{"basic.password", &s.Basic.Password, "HTTP Basic", s.Kind == KindBasic, false},
		{"oauth1.consumer_secret", &s.OAuth1.ConsumerSecret, "OAuth 1.0a", s.Kind == KindOAuth1, false},
		{"oauth1.token_secret", &s.OAuth1.TokenSecret, "OAuth 1.0a with a token", s.Kind == KindOAuth1 && s.OAuth1.Token != "", false},
		{"oauth2.client_secret", &a.ClientSecret, withSecret, oauth2(a.ClientAuthentication.sendsSecret()), false},
		{"oauth2.alternate_client_secret", &a.AlternateClientSecret, withSecret, oauth2(a.ClientAuthentication.sendsSecret()), true},
		{"oauth2.signing_key.private_key", &a.SigningKey.PrivateKey, signers, oauth2(a.signs()), false},
		{
			"oauth2.client_certificate.private_key", &a.ClientCertificate.PrivateKey, "a certificate_chain",
			oauth2(a.showsCertificate()), false,
		},
		{"oauth2.refresh_token", &a.RefreshToken, "REFRESH_TOKEN", grant(RefreshToken), false},
		{"oauth2.authorization_code.code", &a.Code.Code, "AUTHORIZATION_CODE", grant(CodeGrant) && !a.Users, false},
		{"oauth2.authorization_code.code_verifier", &a.Code.CodeVerifier, "AUTHORIZATION_CODE", grant(CodeGrant) && !a.Users, true},
		{"oauth2.token_exchange.subject_token", &a.Exchange.SubjectToken, "TOKEN_EXCHANGE", grant(ExchangeGrant), false},
		{"oauth2.token_exchange.actor_token", &a.Exchange.ActorToken, "TOKEN_EXCHANGE", grant(ExchangeGrant), true},
		{"oauth2.resource_owner.password", &a.ResourceOwner.Password, "PASSWORD", grant(PasswordGrant), false},
	}
}

// ofUsers reports whether the settings are those of a connection of users: there is no code to redeem, and nothing that belongs to one.
func (s *Settings) ofUsers() bool {
	a := &s.OAuth2
	return s.Kind == KindOAuth2 && a.GrantType == CodeGrant && a.Code.equal(AuthorizationCode{})
}

// signs reports whether something is signed with the signing key.
func (a OAuth2) signs() bool {
	return a.ClientAuthentication.asserts() || a.GrantType == JWTBearer
}

// signers are the settings for which something is signed, for people.
const signers = "PRIVATE_KEY_JWT, SIGNED_CLIENT_SECRET and JWT_BEARER"

// showsCertificate reports whether the client shows a certificate: to authenticate by it, or besides its secret.
func (a OAuth2) showsCertificate() bool {
	return a.ClientAuthentication.usesCertificate() || a.ClientAuthentication.sendsSecret() && a.ClientCertificate.Chain != ""
}

// WithoutSecrets returns a copy whose secret values are empty.
func (s Settings) WithoutSecrets() Settings {
	s = s.clone()
	for _, f := range s.secretFields() {
		*f.value = seal.Secret{}
	}
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
//
// A secret for which these settings have no use any more is not kept, so that a connection can change from one authentication to another.
// One that they can do without is not kept if removed has its field path. A code verifier belongs to its code and goes with it.
func (s Settings) KeepingSecrets(stored Settings, removed ...string) Settings {
	s = s.clone()
	newCode := !s.OAuth2.Code.Code.IsZero() && !s.OAuth2.Code.Code.Equal(stored.OAuth2.Code.Code)
	oldFields := stored.secretFields()
	for i, f := range s.secretFields() {
		gone := f.optional && slices.Contains(removed, f.field) || newCode && f.value == &s.OAuth2.Code.CodeVerifier
		if f.used && !gone {
			keep(f.value, *oldFields[i].value)
		}
	}
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
	for _, f := range s.secretFields() {
		if f.used && !f.optional && f.value.IsZero() {
			missing = append(missing, Violation{f.field, "is required for " + f.user + ": nothing is stored for it"})
		}
	}
	for _, p := range s.places() {
		for _, l := range p.lists() {
			for i, parameter := range *l.parameters {
				if parameter.Secret && parameter.Value.IsZero() {
					missing = append(missing, Violation{indexed(l.field, i) + ".value", "is required: nothing is stored for it"})
				}
			}
		}
	}
	return missing
}

// idleSecrets lists the secrets that are given although nothing would be done with them.
func (s Settings) idleSecrets() []Violation {
	var v []Violation
	for _, f := range s.secretFields() {
		if !f.used && !f.value.IsZero() {
			v = append(v, Violation{f.field, "must be empty: it is for " + f.user})
		}
	}
	return v
}
