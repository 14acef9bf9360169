package token

import (
	"context"
	"errors"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token/gate"
)

// ErrUnchanged is returned by the function given to Store.Update when nothing shall be written. Update returns the token
// as it is stored, and no error.
var ErrUnchanged = errors.New("token: unchanged")

// Store keeps tokens and the journal of their rotations. Implementations pass storetest.Run.
//
// Errors that mean that the store cannot be used at the moment have a method Unavailable() bool that returns true.
type Store interface {
	// Get returns a token with its credential, or ErrNotFound. A credential that does not open is not an error: the
	// token then says CredentialLost.
	Get(ctx context.Context, key Key) (Token, error)
	// Update reads a token, lets change decide, and writes the result, all in one transaction that no other Update of
	// the same token overlaps. change may run more than once; it must be quick and touch nothing but the record.
	// Update returns the token as it now is, without its credential; if change fails it returns the token as it was
	// read with change's error, unless that is ErrUnchanged. Changes reach the Listen of every replica.
	//
	// known, unless nil, is the token as it was when it was last read: if nothing was written since, it is not read again, and the record has
	// no Open.
	Update(ctx context.Context, key Key, known *Token, change func(*Record) error) (Token, error)
	// Delete removes a token, its journal and its revocations but those of ended grants, and reports whether it did: not if there is none, or it
	// belongs to another connection. With a revocation, it stores that, and does nothing if the token's generation is not the revocation's.
	// It returns the version of the deletion.
	Delete(ctx context.Context, key Key, connectionUID string, revoke *Revocation) (deleted bool, version int64, err error)
	// Due returns up to limit tokens, without credentials, that are due after the cursor and not later than until,
	// earliest first. The next page's cursor is the last result's.
	Due(ctx context.Context, after DueCursor, until time.Time, limit int) ([]Token, error)
	// List returns up to limit tokens of connections themselves, not of grants under them, without credentials, in the order of
	// their keys, after the given one.
	List(ctx context.Context, after Key, limit int) ([]Token, error)
	// ListGrants returns up to limit tokens of grants whose StateTime is that of the cursor or later, and which come after it, earliest first,
	// without credentials. The next page's cursor is the last result's StateTime and Key.
	ListGrants(ctx context.Context, after DueCursor, limit int) ([]Token, error)
	// Rotations returns up to limit rotations of a token, newest first, older than the one with id before; "" starts.
	// ErrNotFound if there is no such token.
	Rotations(ctx context.Context, key Key, before string, limit int) ([]Rotation, error)
	// Response returns the raw answer of a rotation that is RESPONDED.
	Response(ctx context.Context, key Key, rotationID string) (Answer, error)
	// BreakLeases ends every lease at the given time. Only for stores that one process has to itself, see Exclusive.
	BreakLeases(ctx context.Context, now time.Time) error
	// Exclusive reports whether no other process can use the store.
	Exclusive() bool
	// Listen calls fn for every change that an Update or Delete of any replica committed, until ctx ends. Calls may
	// repeat and overtake each other; Version orders them.
	Listen(ctx context.Context, fn func(Notice)) error
}

// Budgets counts the requests of clients whose provider allows so many in a time, for all replicas.
type Budgets interface {
	// UpdateBudget lets change count in the budget of a client, named by a server, in one transaction that no other of the same budget
	// overlaps. change may run more than once. Budgets that were not touched for a long time before now are forgotten.
	UpdateBudget(ctx context.Context, project, server string, now time.Time, change func(*gate.Budget)) error
}

// Record is one token in an Update.
type Record struct {
	// Exists is false if there is no such token; Token then has only its Key. Writing creates it.
	Exists bool
	// Token as stored, without its credential. What change leaves here is written; the store counts Version.
	Token Token
	// Open is the journal entry that the token's lease names, if any.
	Open *Rotation

	// Credential, if set, is sealed and stored with the token's generation. The zero Credential forgets the stored one.
	Credential *Credential
	// NextKey, if set, is sealed and stored until a Credential is. Only in a record that exists.
	NextKey *NextKey
	// Journal are entries to insert or replace, by ID.
	Journal []Rotation
	// ForgetJournal removes the token's earlier entries: they belong to another connection.
	ForgetJournal bool
	// Answer is the raw answer of the one RESPONDED entry in Journal. It is kept, sealed, until that entry is replaced.
	Answer *Answer
	// Revoke, if set, is stored: the token of the former credential that is to be revoked.
	Revoke *Revocation
	// Quiet keeps the change from watchers and other replicas: nothing that they see is different.
	Quiet bool
}

// DueCursor is a place in the order of Due, or of ListGrants.
type DueCursor struct {
	At  time.Time
	Key Key
}

// Notice tells that a token changed.
type Notice struct {
	// Resync means that notices may have been missed: everything that matters must be read again. The rest is unset.
	Resync bool
	Key    Key
	// Version of the token after the change.
	Version int64
	// Deleted means that the token is gone.
	Deleted bool
	// AttemptDue, WatchedDue and ExpiryDue are those of the token.
	AttemptDue, WatchedDue, ExpiryDue time.Time
}

// Answer is the raw answer to a token request, as the journal keeps it.
type Answer struct {
	// StartTime is when the request was begun, EndTime when the answer was complete.
	StartTime  time.Time `json:"start_time"`
	EndTime    time.Time `json:"end_time"`
	HTTPStatus int       `json:"http_status"`
	// ContentType and RetryAfter are the response headers of these names.
	ContentType string `json:"content_type,omitempty"`
	RetryAfter  string `json:"retry_after,omitempty"`
	// Challenged means that nothing was processed: the server wants a nonce in the proof that it gave with this answer (RFC 9449 section 8).
	Challenged bool `json:"challenged,omitempty"`
	// Body is at most 1 MiB. It holds secrets.
	Body []byte `json:"body,omitempty"`
}

// String hides the body from logs.
func (a Answer) String() string { return "[redacted]" }

// GoString hides the body from logs.
func (a Answer) GoString() string { return "[redacted]" }

// Exchanger makes token requests. Implemented by token/oauth.
type Exchanger interface {
	// Prepare is called before a request that redeems what may be spent by it, while nothing is at stake. Where such a request is likely to be
	// refused at first, it makes a harmless one that avoids that. Errors are [*Failure] with Sent false: the redeeming request is better
	// not made now.
	Prepare(ctx context.Context, settings OAuth2, grant Grant) error
	// Exchange makes one token request and returns the raw answer, whatever it says. Errors are [*Failure]: the request
	// did not leave, or there was no complete answer.
	Exchange(ctx context.Context, settings OAuth2, grant Grant) (Answer, error)
	// Read says what the answer to that request means. It does no input or output. Errors are [*Failure].
	Read(answer Answer, settings OAuth2, grant Grant) (Issued, error)
	// Revoke asks the server to revoke a token of the hinted type (RFC 7009). Errors are [*Failure].
	Revoke(ctx context.Context, settings OAuth2, revoked seal.Secret, hint string) error
	// Push pushes the parameters of an authorization request (RFC 9126). Errors are [*Failure].
	Push(ctx context.Context, settings OAuth2, request map[string]string) (requestURI seal.Secret, lifetime time.Duration, err error)
}

// unavailable reports whether err says that the store cannot be used at the moment.
func unavailable(err error) bool {
	var u interface{ Unavailable() bool }
	return errors.As(err, &u) && u.Unavailable()
}
