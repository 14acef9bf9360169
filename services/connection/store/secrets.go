package store

import (
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// oauth2SecretsJSON is the secrets of an OAuth 2.0 authorization, as they are sealed. Names of fields are stored: do not change them.
type oauth2SecretsJSON struct {
	ClientSecret          string `json:"client_secret,omitempty"`
	AlternateClientSecret string `json:"alternate_client_secret,omitempty"`
	SigningKey            string `json:"signing_key,omitempty"`
	CertificateKey        string `json:"certificate_key,omitempty"`
	RefreshToken          string `json:"refresh_token,omitempty"`
	Code                  string `json:"code,omitempty"`
	CodeVerifier          string `json:"code_verifier,omitempty"`
	SubjectToken          string `json:"subject_token,omitempty"`
	ActorToken            string `json:"actor_token,omitempty"`
	OwnerPassword         string `json:"resource_owner_password,omitempty"`
}

func encodeOAuth2Secrets(a connection.OAuth2) oauth2SecretsJSON {
	return oauth2SecretsJSON{
		ClientSecret:          a.ClientSecret.Reveal(),
		AlternateClientSecret: a.AlternateClientSecret.Reveal(),
		SigningKey:            a.SigningKey.PrivateKey.Reveal(),
		CertificateKey:        a.ClientCertificate.PrivateKey.Reveal(),
		RefreshToken:          a.RefreshToken.Reveal(),
		Code:                  a.Code.Code.Reveal(),
		CodeVerifier:          a.Code.CodeVerifier.Reveal(),
		SubjectToken:          a.Exchange.SubjectToken.Reveal(),
		ActorToken:            a.Exchange.ActorToken.Reveal(),
		OwnerPassword:         a.ResourceOwner.Password.Reveal(),
	}
}

func (j oauth2SecretsJSON) putInto(a *connection.OAuth2) {
	a.ClientSecret = seal.NewSecret(j.ClientSecret)
	a.AlternateClientSecret = seal.NewSecret(j.AlternateClientSecret)
	a.SigningKey.PrivateKey = seal.NewSecret(j.SigningKey)
	a.ClientCertificate.PrivateKey = seal.NewSecret(j.CertificateKey)
	a.RefreshToken = seal.NewSecret(j.RefreshToken)
	a.Code.Code = seal.NewSecret(j.Code)
	a.Code.CodeVerifier = seal.NewSecret(j.CodeVerifier)
	a.Exchange.SubjectToken = seal.NewSecret(j.SubjectToken)
	a.Exchange.ActorToken = seal.NewSecret(j.ActorToken)
	a.ResourceOwner.Password = seal.NewSecret(j.OwnerPassword)
}

// oauth1SecretsJSON is the secrets of an OAuth 1.0a authorization, as they are sealed.
type oauth1SecretsJSON struct {
	Consumer string `json:"oauth1_consumer_secret,omitempty"`
	OfToken  string `json:"oauth1_token_secret,omitempty"`
}

func (j oauth1SecretsJSON) putInto(a *connection.OAuth1) {
	a.ConsumerSecret, a.TokenSecret = seal.NewSecret(j.Consumer), seal.NewSecret(j.OfToken)
}
