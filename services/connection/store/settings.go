package store

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// settingsJSON is the column settings. Names of fields are stored: do not change them.
type settingsJSON struct {
	OAuth2     *oauth2JSON     `json:"oauth2,omitempty"`
	APIKey     *apiKeyJSON     `json:"api_key,omitempty"`
	Basic      *basicJSON      `json:"basic,omitempty"`
	OAuth1     *oauth1JSON     `json:"oauth1,omitempty"`
	Invocation *parametersJSON `json:"invocation_parameters,omitempty"`
	APIBaseURL string          `json:"api_base_url,omitempty"`
	Proxy      *proxyJSON      `json:"proxy,omitempty"`
	Connect    connectJSON     `json:"connect,omitzero"`
}

type proxyJSON struct {
	PerSecond      float64 `json:"requests_per_second,omitempty"`
	Burst          int32   `json:"burst,omitempty"`
	EncodedSlashes bool    `json:"encoded_slashes,omitempty"`
}

type connectJSON struct {
	ApplicationName string   `json:"application_name,omitempty"`
	ReturnURLs      []string `json:"return_urls,omitempty"`
}

type apiKeyJSON struct {
	Name string `json:"name"`
}

type basicJSON struct {
	Username string `json:"username"`
}

type oauth1JSON struct {
	ConsumerKey string `json:"consumer_key"`
	Token       string `json:"token,omitempty"`
	Method      string `json:"signature_method,omitempty"`
	Realm       string `json:"realm,omitempty"`
}

type parametersJSON struct {
	Headers []parameterJSON `json:"headers,omitempty"`
	Query   []parameterJSON `json:"query,omitempty"`
	Body    []parameterJSON `json:"body,omitempty"`
}

type parameterJSON struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"` // of those that are not secret
	Secret bool   `json:"secret,omitempty"`
}

// secretsJSON is the plain text of the column sealed_secrets. Values of parameters are in the order of the parameters; those that are not
// secret are empty.
type secretsJSON struct {
	oauth2SecretsJSON
	oauth1SecretsJSON
	APIKey     string         `json:"api_key,omitempty"`
	Password   string         `json:"password,omitempty"`
	Token      parametersText `json:"token_parameters"`
	Invocation parametersText `json:"invocation_parameters"`
}

type parametersText struct {
	Headers []string `json:"headers,omitempty"`
	Query   []string `json:"query,omitempty"`
	Body    []string `json:"body,omitempty"`
}

// associatedData binds sealed secrets to one connection of one name.
func associatedData(c connection.Connection) string { return c.Name.String() + "#" + c.UID }

// encode returns the columns settings and sealed_secrets.
func (s *Store) encode(c connection.Connection) (settings string, sealed []byte, err error) {
	public, err := json.Marshal(encodeSettings(c.Settings.WithoutSecrets()))
	if err != nil {
		return "", nil, fmt.Errorf("connection store: encode settings of %s: %w", c.Name, err)
	}
	secrets, err := json.Marshal(encodeSecrets(c.Settings))
	if err != nil {
		return "", nil, fmt.Errorf("connection store: encode secrets of %s", c.Name) // without the encoder's text
	}
	if sealed, err = s.sealer.Seal(secrets, associatedData(c)); err != nil {
		return "", nil, fmt.Errorf("connection store: %w", err)
	}
	return string(public), sealed, nil
}

// open puts the sealed secrets into the connection.
func (s *Store) open(c *connection.Connection, sealed []byte) error {
	plain, err := s.sealer.Open(sealed, associatedData(*c))
	if errors.Is(err, seal.ErrUnsealable) {
		return fmt.Errorf("%w: %w", connection.ErrSecretsUnreadable, err)
	}
	if err != nil {
		return fmt.Errorf("connection store: %w", err)
	}
	var secrets secretsJSON
	if json.Unmarshal(plain, &secrets) != nil { // the decoder's error may quote the text
		return fmt.Errorf("connection store: secrets of %s are not in the form they are stored in", c.Name)
	}
	settings := &c.Settings
	secrets.oauth2SecretsJSON.putInto(&settings.OAuth2)
	secrets.oauth1SecretsJSON.putInto(&settings.OAuth1)
	settings.APIKey.Value = seal.NewSecret(secrets.APIKey)
	settings.Basic.Password = seal.NewSecret(secrets.Password)
	secrets.Token.putInto(settings.OAuth2.Token)
	secrets.Invocation.putInto(settings.Invocation)
	return nil
}

func encodeSettings(s connection.Settings) settingsJSON {
	j := settingsJSON{Invocation: encodeParameters(s.Invocation), APIBaseURL: s.APIBaseURL, Connect: connectJSON(s.Connect)}
	if p := s.Proxy; p != (connection.Proxy{}) {
		j.Proxy = &proxyJSON{PerSecond: p.Limit.PerSecond, Burst: p.Limit.Burst, EncodedSlashes: p.EncodedSlashes}
	}
	switch s.Kind {
	case connection.KindOAuth2:
		j.OAuth2 = encodeOAuth2(s.OAuth2)
	case connection.KindAPIKey:
		j.APIKey = &apiKeyJSON{Name: s.APIKey.Name}
	case connection.KindBasic:
		j.Basic = &basicJSON{Username: s.Basic.Username}
	case connection.KindOAuth1:
		a := s.OAuth1
		j.OAuth1 = &oauth1JSON{ConsumerKey: a.ConsumerKey, Token: a.Token, Method: a.Method, Realm: a.Realm}
	}
	return j
}

func decodeSettings(text string, s *connection.Settings) error {
	var j settingsJSON
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return fmt.Errorf("decode settings: %w", err)
	}
	s.Invocation, s.APIBaseURL, s.Connect = decodeParameters(j.Invocation), j.APIBaseURL, connection.Connect(j.Connect)
	if p := j.Proxy; p != nil {
		s.Proxy = connection.Proxy{Limit: connection.APILimit{PerSecond: p.PerSecond, Burst: p.Burst}, EncodedSlashes: p.EncodedSlashes}
	}
	if a := j.OAuth2; a != nil {
		s.OAuth2 = a.decode()
	}
	if a := j.APIKey; a != nil {
		s.APIKey.Name = a.Name
	}
	if a := j.Basic; a != nil {
		s.Basic.Username = a.Username
	}
	if a := j.OAuth1; a != nil {
		s.OAuth1 = connection.OAuth1{ConsumerKey: a.ConsumerKey, Token: a.Token, Method: a.Method, Realm: a.Realm}
	}
	return nil
}

func encodeParameters(p connection.Parameters) *parametersJSON {
	if len(p.Headers)+len(p.Query)+len(p.Body) == 0 {
		return nil
	}
	encode := func(list []connection.Parameter) []parameterJSON {
		out := make([]parameterJSON, len(list))
		for i, p := range list {
			out[i] = parameterJSON{Key: p.Key, Value: p.Value.Reveal(), Secret: p.Secret}
		}
		return out
	}
	return &parametersJSON{Headers: encode(p.Headers), Query: encode(p.Query), Body: encode(p.Body)}
}

func decodeParameters(j *parametersJSON) connection.Parameters {
	if j == nil {
		return connection.Parameters{}
	}
	decode := func(list []parameterJSON) []connection.Parameter {
		if len(list) == 0 {
			return nil
		}
		out := make([]connection.Parameter, len(list))
		for i, p := range list {
			out[i] = connection.Parameter{Key: p.Key, Value: seal.NewSecret(p.Value), Secret: p.Secret}
		}
		return out
	}
	return connection.Parameters{Headers: decode(j.Headers), Query: decode(j.Query), Body: decode(j.Body)}
}

func encodeSecrets(s connection.Settings) secretsJSON {
	return secretsJSON{
		oauth2SecretsJSON: encodeOAuth2Secrets(s.OAuth2),
		oauth1SecretsJSON: oauth1SecretsJSON{Consumer: s.OAuth1.ConsumerSecret.Reveal(), OfToken: s.OAuth1.TokenSecret.Reveal()},
		APIKey:            s.APIKey.Value.Reveal(),
		Password:          s.Basic.Password.Reveal(),
		Token:             secretValues(s.OAuth2.Token),
		Invocation:        secretValues(s.Invocation),
	}
}

func secretValues(p connection.Parameters) parametersText {
	values := func(list []connection.Parameter) []string {
		var out []string
		for _, p := range list {
			if p.Secret {
				out = append(out, p.Value.Reveal())
			} else {
				out = append(out, "")
			}
		}
		return out
	}
	return parametersText{Headers: values(p.Headers), Query: values(p.Query), Body: values(p.Body)}
}

// putInto fills in the values of secret parameters.
func (t parametersText) putInto(p connection.Parameters) {
	put := func(list []connection.Parameter, values []string) {
		for i := range list {
			if list[i].Secret && i < len(values) {
				list[i].Value = seal.NewSecret(values[i])
			}
		}
	}
	put(p.Headers, t.Headers)
	put(p.Query, t.Query)
	put(p.Body, t.Body)
}
