package catalog

// Entry is one provider. The tags are the schema: yaml names a field, doc describes it, enum lists its values, max bounds a duration,
// required says that it must be given. [Schema] publishes them and [Parse] holds files to them.
type Entry struct {
	ID             string         `yaml:"id" required:"true" doc:"Name of the entry, that of its file: lower-case letters, digits and hyphens, at most 63."`
	Name           string         `yaml:"name" required:"true" doc:"What people call the provider."`
	Description    string         `yaml:"description,omitempty" doc:"What the entry is for, where there is more than one for a company, and what it cannot say."`
	Docs           []string       `yaml:"docs" required:"true" doc:"The vendor's pages that the facts are from; at least one, each https."`
	Grants         []string       `yaml:"grants" required:"true" enum:"CLIENT_CREDENTIALS,REFRESH_TOKEN,AUTHORIZATION_CODE,JWT_BEARER,TOKEN_EXCHANGE,PASSWORD,DEVICE_CODE" doc:"How tokens can be obtained."`
	Instance       []Parameter    `yaml:"instance,omitempty" doc:"What differs between customers of the provider, such as a tenant or a shop: in URLs as {name}."`
	Auth           Auth           `yaml:"auth,omitempty" doc:"How the client authenticates at the token endpoint."`
	Authorize      Authorize      `yaml:"authorize,omitempty" doc:"The authorization request that a user's browser is sent with."`
	Token          Token          `yaml:"token" required:"true" doc:"The token endpoint."`
	Lifetime       Lifetime       `yaml:"lifetime,omitempty" doc:"How long access tokens live."`
	Refresh        Refresh        `yaml:"refresh,omitempty" doc:"How the next access token is obtained."`
	Rotation       Rotation       `yaml:"rotation,omitempty" doc:"What becomes of refresh tokens."`
	OldAccessToken OldAccessToken `yaml:"old_access_token,omitempty" doc:"What becomes of the access token at hand when the next one is obtained."`
	MintBudget     MintBudget     `yaml:"mint_budget,omitempty" doc:"How many token requests are allowed."`
	Revoke         Revoke         `yaml:"revoke,omitempty" doc:"How tokens are revoked."`
	Callback       Callback       `yaml:"callback,omitempty" doc:"What the browser brings back."`
	Steps          []Step         `yaml:"steps,omitempty" doc:"Calls after the first token, for what the API's URLs need."`
	API            API            `yaml:"api,omitempty" doc:"The API that the tokens are for."`
	Probe          Probe          `yaml:"probe,omitempty" doc:"A cheap call that shows that a token works."`
}

// Parameter is an instance parameter: a value that the connection gives.
type Parameter struct {
	Name        string `yaml:"name" required:"true" doc:"Name: lower-case letters, digits and underscores."`
	Description string `yaml:"description" required:"true" doc:"Where people find the value."`
	Kind        string `yaml:"kind,omitempty" enum:"SEGMENT,HOST" doc:"What it may hold: SEGMENT (default), one label of a host name or segment of a path; HOST, a host name, with a port if need be."`
	Pattern     string `yaml:"pattern,omitempty" doc:"Regular expression that the whole value must match."`
	Default     string `yaml:"default,omitempty" doc:"Value of a connection that gives none. Without it, the parameter is required."`
	Example     string `yaml:"example" required:"true" doc:"A value that is allowed."`
}

// Auth is client authentication.
type Auth struct {
	ClientAuthentication string   `yaml:"client_authentication,omitempty" enum:"CLIENT_SECRET_BASIC,CLIENT_SECRET_POST,CLIENT_SECRET_BASIC_RAW,PRIVATE_KEY_JWT,TLS_CLIENT_AUTH,SELF_SIGNED_TLS_CLIENT_AUTH,SIGNED_CLIENT_SECRET,NONE" doc:"How clients authenticate unless a connection says otherwise. Default CLIENT_SECRET_BASIC."`
	Alternatives         []string `yaml:"alternatives,omitempty" enum:"CLIENT_SECRET_BASIC,CLIENT_SECRET_POST,CLIENT_SECRET_BASIC_RAW,PRIVATE_KEY_JWT,TLS_CLIENT_AUTH,SELF_SIGNED_TLS_CLIENT_AUTH,SIGNED_CLIENT_SECRET,NONE" doc:"What else the provider accepts."`
	AssertionAudience    string   `yaml:"assertion_audience,omitempty" doc:"The claim aud of client assertions and signed client secrets, where it is not the token endpoint's URL."`
}

// Authorize is the authorization request.
type Authorize struct {
	URL            string            `yaml:"url,omitempty" doc:"The authorization endpoint. Required with the grant AUTHORIZATION_CODE."`
	Parameters     map[string]string `yaml:"parameters,omitempty" doc:"Added to every request, such as access_type: offline."`
	FieldNames     map[string]string `yaml:"field_names,omitempty" doc:"Other names of client_id, redirect_uri, response_type, scope, state, code_challenge and code_challenge_method. An empty name leaves the field out."`
	Fragment       string            `yaml:"fragment,omitempty" doc:"Put behind # of the URL, for endpoints that are pages."`
	PKCE           string            `yaml:"pkce,omitempty" enum:"SUPPORTED,REQUIRED,REFUSED" doc:"Whether RFC 7636 can be used. Default SUPPORTED: servers that do not know it must ignore it (RFC 6749 section 3.1)."`
	ScopeSeparator string            `yaml:"scope_separator,omitempty" doc:"What separates scopes. Default a space; one character."`
	Scopes         []string          `yaml:"scopes,omitempty" doc:"Asked for always: without them there is no refresh token, or no account id."`
	ScopeLists     map[string]string `yaml:"scope_lists,omitempty" doc:"Further lists of scopes by request parameter, each with what it is for, such as user_scope."`
	ScopeTexts     map[string]string `yaml:"scope_descriptions,omitempty" doc:"What scopes allow, in plain words, for the end user who is about to agree, by scope: See your photos."`
	Issuer         string            `yaml:"issuer,omitempty" doc:"The parameter iss of the callback (RFC 9207), where the provider sends it."`
	PAREndpoint    string            `yaml:"pushed_authorization_endpoint,omitempty" doc:"Where requests are pushed, RFC 9126."`
	DeviceEndpoint string            `yaml:"device_authorization_endpoint,omitempty" doc:"Where device codes are had, RFC 8628. Required with the grant DEVICE_CODE."`
}

// Token is the token endpoint.
type Token struct {
	Endpoint        string            `yaml:"endpoint" required:"true" doc:"Its URL."`
	RefreshEndpoint string            `yaml:"refresh_endpoint,omitempty" doc:"Its URL for refreshing, where that is another."`
	RefreshMethod   string            `yaml:"refresh_method,omitempty" enum:"POST,GET,PUT" doc:"How requests for refreshing are made, where that is not as the others."`
	RefreshGrant    string            `yaml:"refresh_grant_type,omitempty" doc:"The grant_type of refreshing, where it is not refresh_token."`
	Method          string            `yaml:"method,omitempty" enum:"POST,GET,PUT" doc:"Request method. Default POST."`
	Encoding        string            `yaml:"encoding,omitempty" enum:"FORM,JSON" doc:"Form of the body. Default FORM."`
	Audience        string            `yaml:"audience,omitempty" doc:"Sent as the parameter audience."`
	ScopeSeparator  string            `yaml:"scope_separator,omitempty" doc:"What separates scopes. Default a space; one character."`
	FieldNames      map[string]string `yaml:"field_names,omitempty" doc:"Other names of request fields, by their name in RFC 6749. An empty name leaves the field out."`
	Parameters      Parameters        `yaml:"parameters,omitempty" doc:"Added to every token request."`
	Response        Response          `yaml:"response,omitempty" doc:"Where the answer has what, where that is not as in RFC 6749."`
	Capture         []Capture         `yaml:"capture,omitempty" doc:"What of the answer the API's URLs need. from is a path: member names separated by dots."`
}

// Parameters are additions to a request.
type Parameters struct {
	Headers map[string]string `yaml:"headers,omitempty" doc:"Headers."`
	Query   map[string]string `yaml:"query,omitempty" doc:"Query parameters."`
	Body    map[string]string `yaml:"body,omitempty" doc:"Fields of the body."`
}

// Response says where a token endpoint's answer has what. Paths are member names separated by dots.
type Response struct {
	AccessToken      string            `yaml:"access_token,omitempty" doc:"Path of the access token."`
	RefreshToken     string            `yaml:"refresh_token,omitempty" doc:"Path of the refresh token."`
	ExpiresIn        string            `yaml:"expires_in,omitempty" doc:"Path of the lifetime."`
	ExpiresInUnit    string            `yaml:"expires_in_unit,omitempty" enum:"SECONDS,MILLISECONDS,MINUTES" doc:"Unit of the lifetime. Default SECONDS."`
	ExpiresAt        string            `yaml:"expires_at,omitempty" doc:"Path of the time of expiry: seconds or milliseconds since 1970, or RFC 3339."`
	Scope            string            `yaml:"scope,omitempty" doc:"Path of the scopes."`
	RefreshExpiresIn string            `yaml:"refresh_token_expires_in,omitempty" doc:"Path of the refresh token's lifetime."`
	Error            string            `yaml:"error,omitempty" doc:"Path of the error code of a failed answer, also one with status 200."`
	ErrorCodes       map[string]string `yaml:"error_codes,omitempty" doc:"What other error codes mean, by the code of RFC 6749 they stand for; slow_down stands for a rate limit."`
}

// Capture is a value that is taken from an answer.
type Capture struct {
	Name string `yaml:"name" required:"true" doc:"Name: in URLs of the API as {name}."`
	From string `yaml:"from" required:"true" doc:"Where it is."`
	Kind string `yaml:"kind,omitempty" enum:"SEGMENT,HOST,URL" doc:"What it may hold: SEGMENT (default), HOST, or URL, an https URL that an API base may begin with."`
}

// Lifetime is that of access tokens.
type Lifetime struct {
	Default Duration `yaml:"default,omitempty" max:"366d" doc:"Lifetime assumed where the answer names none. At most 366d."`
	Source  string   `yaml:"source,omitempty" enum:"FIELD,JWT,INTROSPECTION,FIXED,NEVER" doc:"Where the lifetime is known from: a field of the answer (default), the token itself, RFC 7662, the documents; NEVER: tokens do not expire."`
}

// Refresh is how the next access token is obtained.
type Refresh struct {
	Kind        string   `yaml:"kind,omitempty" enum:"REFRESH_TOKEN,REGRANT,SELF,EXTEND,NONE" doc:"With a refresh token (default); by the first grant again; by exchanging the access token; by extending the same tokens; not at all."`
	Before      Duration `yaml:"before,omitempty" max:"30d" doc:"How long before expiry the next token is asked for, where the vendor recommends it. At most 30d."`
	NotBefore   Duration `yaml:"not_before,omitempty" max:"30d" doc:"Age that a token must have before the provider refreshes it. At most 30d."`
	SameTokenOK bool     `yaml:"same_token_ok,omitempty" doc:"An early refresh gives the same access token again."`
	KeepAlive   Duration `yaml:"keep_alive,omitempty" max:"366d" doc:"Refreshes at least so often, so that a grant that dies unused stays alive. At most 366d."`
}

// Rotation is what becomes of refresh tokens.
type Rotation struct {
	Mode       string   `yaml:"mode,omitempty" enum:"NONE,ALWAYS,SOMETIMES" doc:"Whether a refresh gives another refresh token. NONE means that the one there is stays in use."`
	Recovery   string   `yaml:"recovery,omitempty" enum:"SINGLE_USE,GRACE,UNTIL_SUCCESSOR_USED,IDEMPOTENT,REUSABLE" doc:"What becomes of a refresh token that was redeemed. Default REUSABLE with NONE, else SINGLE_USE."`
	Grace      Duration `yaml:"grace,omitempty" max:"180d" doc:"For how long it can be redeemed again, for GRACE and UNTIL_SUCCESSOR_USED. At most 180d."`
	MaxIdle    Duration `yaml:"max_idle,omitempty" doc:"How long a refresh token lives unused."`
	Absolute   Duration `yaml:"absolute,omitempty" doc:"How long a grant lives at the longest."`
	AnchoredAt string   `yaml:"anchored_at,omitempty" enum:"CONSENT,LAST_REFRESH" doc:"What absolute counts from: the user's consent (default) or the last refresh."`
}

// OldAccessToken is the fate of a superseded access token.
type OldAccessToken struct {
	Fate   string   `yaml:"fate,omitempty" enum:"SURVIVES,KILLED,LEEWAY" doc:"Whether it stays valid. Default SURVIVES."`
	Leeway Duration `yaml:"leeway,omitempty" max:"1d" doc:"For how long, with LEEWAY. At most 1d."`
}

// MintBudget is how many token requests are allowed.
type MintBudget struct {
	Limit  int32    `yaml:"limit,omitempty" doc:"Requests in a period, at most 1000000."`
	Period Duration `yaml:"period,omitempty" max:"30d" doc:"The period. 1s to 30d."`
	Per    string   `yaml:"per,omitempty" enum:"CLIENT,GRANT,USER" doc:"Whose requests are counted. Default CLIENT; the others are told and not kept to, because a connection's budget is its client's."`
}

// Revoke is revocation.
type Revoke struct {
	Endpoint string `yaml:"endpoint,omitempty" doc:"Its URL."`
	Kind     string `yaml:"kind,omitempty" enum:"RFC7009,OTHER" doc:"RFC7009 (default): asked with the token and its client. OTHER: in a way of its own, which is not used."`
	Cascades bool   `yaml:"cascades,omitempty" doc:"Revoking one token ends the grant with all of its tokens."`
}

// Callback is what the browser brings back.
type Callback struct {
	CodeParameter string    `yaml:"code_parameter,omitempty" doc:"Name of the parameter with the code. Default code."`
	Capture       []Capture `yaml:"capture,omitempty" doc:"Further parameters that the API's URLs need. from is the parameter's name."`
}

// Step is a call after the first token.
type Step struct {
	Name    string    `yaml:"name" required:"true" doc:"What it finds out."`
	Method  string    `yaml:"method,omitempty" enum:"GET,POST" doc:"Request method. Default GET."`
	URL     string    `yaml:"url" required:"true" doc:"Where; the access token is sent with it."`
	Capture []Capture `yaml:"capture" required:"true" doc:"What is taken from the JSON answer. from is a path; a number is an index of an array."`
}

// API is what tokens are for.
type API struct {
	Base                string            `yaml:"base,omitempty" doc:"URL that paths of calls are put behind."`
	Hosts               []string          `yaml:"hosts,omitempty" doc:"Further hosts that tokens may be sent to."`
	AuthorizationScheme string            `yaml:"authorization_scheme,omitempty" doc:"Scheme of the header Authorization. Default: the token's type."`
	AccessTokenHeader   string            `yaml:"access_token_header,omitempty" doc:"Header that carries the token instead, without a scheme."`
	Headers             map[string]string `yaml:"headers,omitempty" doc:"Sent with every call unless it has them."`
	RateLimit           RateLimit         `yaml:"rate_limit,omitempty" doc:"How answers speak of rate limits."`
	CallBudget          CallBudget        `yaml:"call_budget,omitempty" doc:"How many calls are made with each token, where answers do not say when it is too many."`
	EncodedSlashes      bool              `yaml:"encoded_slashes,omitempty" doc:"Segments of paths hold slashes, encoded as %2F: the API addresses things by their paths."`
}

// CallBudget is how many calls are made with one token.
type CallBudget struct {
	Limit  int32    `yaml:"limit,omitempty" doc:"Calls in a period, at most 1000000."`
	Period Duration `yaml:"period,omitempty" max:"1d" doc:"The period. 1s (default) to 1d."`
	Burst  int32    `yaml:"burst,omitempty" doc:"Calls that can be made at once after a pause. Default: those of a second, at least 1."`
}

// RateLimit names the headers in which an API speaks of its limits.
type RateLimit struct {
	Limit      string `yaml:"limit,omitempty" doc:"Header with the limit."`
	Remaining  string `yaml:"remaining,omitempty" doc:"Header with what is left."`
	Reset      string `yaml:"reset,omitempty" doc:"Header that says when it is whole again."`
	ResetKind  string `yaml:"reset_kind,omitempty" enum:"SECONDS,EPOCH,EPOCH_MILLISECONDS,RFC3339" doc:"How reset is written: seconds from now (default), seconds or milliseconds since 1970, or a date."`
	RetryAfter string `yaml:"retry_after,omitempty" doc:"Header that says when to come back, where it is not Retry-After."`
	Statuses   []int  `yaml:"statuses,omitempty" doc:"Status codes that mean a limit, besides 429."`
}

// Probe is a cheap call with a token.
type Probe struct {
	Method  string `yaml:"method,omitempty" enum:"GET,POST,HEAD" doc:"Request method. Default GET."`
	URL     string `yaml:"url,omitempty" doc:"Where."`
	Account string `yaml:"account,omitempty" doc:"Path in the answer of what identifies the account."`
}
