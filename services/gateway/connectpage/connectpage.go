package connectpage

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
)

const (
	// LinkPrefix begins the paths of links.
	LinkPrefix = "/connect/"
	// CallbackPath is where providers send browsers back to.
	CallbackPath = "/oauth/callback"

	// maxLink bounds what may be a link.
	maxLink = 256
	// maxForm bounds what a provider may post, and a callback's query.
	maxForm = 64 << 10
	// callTimeout outlasts the time in which a callback waits for its outcome.
	callTimeout = 30 * time.Second
	// cookieLife is how long a browser is known. It begins anew with each page.
	cookieLife = time.Hour
)

// Params are what a Handler is made of.
type Params struct {
	// Connection leads to the connection service as the gateway itself: browsers have no credential of ours. Required.
	Connection grpc.ClientConnInterface
	// Secure says that browsers come by https; then the cookie is theirs alone (__Host-).
	Secure bool
	Logger *slog.Logger // required
	// Now is the clock of the limits. Default: time.Now.
	Now func() time.Time
}

// Handler serves the paths below LinkPrefix, and CallbackPath.
type Handler struct {
	connect connectionv1.ConnectInternalServiceClient
	secure  bool
	logger  *slog.Logger
	limits  *limits
	origin  *http.CrossOriginProtection
}

// New returns a Handler. Errors: something required is missing.
func New(p Params) (*Handler, error) {
	if p.Connection == nil || p.Logger == nil {
		return nil, errors.New("connectpage: Connection and Logger are required")
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	return &Handler{
		connect: connectionv1.NewConnectInternalServiceClient(p.Connection), secure: p.Secure, logger: p.Logger,
		limits: newLimits(p.Now), origin: http.NewCrossOriginProtection(),
	}, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	link, isLink := strings.CutPrefix(r.URL.EscapedPath(), LinkPrefix)
	r.Pattern = CallbackPath // for the name of the span and the metrics: links are secrets
	if isLink {
		r.Pattern = LinkPrefix + "{link}"
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2 * callTimeout)) // without effect where the writer has no deadlines
	switch read := r.Method == http.MethodGet || r.Method == http.MethodHead; {
	case !h.limits.allow(r.RemoteAddr):
		w.Header().Set("Retry-After", "10")
		show(w, r, http.StatusTooManyRequests, busy())
	case len(link) > maxLink:
		show(w, r, http.StatusNotFound, unknown())
	case isLink && read:
		h.open(w, r, link)
	case isLink && r.Method == http.MethodPost:
		h.agree(w, r, link)
	case !isLink && read:
		h.callback(w, r)
	case !isLink && r.Method == http.MethodPost:
		h.posted(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		show(w, r, http.StatusMethodNotAllowed, unknown())
	}
}

// open shows what a link is for, or leads on where the page is to be skipped.
func (h *Handler) open(w http.ResponseWriter, r *http.Request, link string) {
	ctx, cancel := outgoing(r.Context())
	defer cancel()
	answer, err := h.connect.ShowConnect(ctx, &connectionv1.ShowConnectRequest{Link: link})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	browser := h.known(r)
	if answer.GetView().GetKind() == connectionv1.ConnectView_ASK {
		if browser == "" {
			browser = rand.Text()
		}
		h.remember(w, browser)
		if answer.GetView().GetSkipPage() && r.Method == http.MethodGet {
			h.begin(w, r, link, browser)
			return
		}
	}
	h.answer(w, r, answer.GetView())
}

// agree is the page's button.
func (h *Handler) agree(w http.ResponseWriter, r *http.Request, link string) {
	browser := h.known(r)
	switch {
	case h.origin.Check(r) != nil:
		show(w, r, http.StatusForbidden, elsewhere())
		return
	case browser == "":
		show(w, r, http.StatusForbidden, cookieless())
		return
	}
	h.remember(w, browser)
	h.begin(w, r, link, browser)
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request, link, browser string) {
	ctx, cancel := outgoing(r.Context())
	defer cancel()
	answer, err := h.connect.BeginConnect(ctx, &connectionv1.BeginConnectRequest{Link: link, Browser: browser})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.answer(w, r, answer.GetView())
}

// callback is where the provider sends the browser back to.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxForm {
		show(w, r, http.StatusBadRequest, unknown())
		return
	}
	request := &connectionv1.FinishConnectRequest{Browser: h.known(r)}
	for name, values := range query {
		for _, value := range values {
			request.Parameters = append(request.Parameters, &connectionv1.FinishConnectRequest_Parameter{Name: name, Value: value})
		}
	}
	ctx, cancel := outgoing(r.Context())
	defer cancel()
	answer, err := h.connect.FinishConnect(ctx, request)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.answer(w, r, answer.GetView())
}

// posted is the callback of a provider that answers by a form (OAuth 2.0 Form Post Response Mode). It comes from another site, without our cookie;
// the browser is sent to the same with GET, which has it.
func (h *Handler) posted(w http.ResponseWriter, r *http.Request) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		show(w, r, http.StatusUnsupportedMediaType, unknown())
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		show(w, r, http.StatusRequestEntityTooLarge, unknown())
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		show(w, r, http.StatusBadRequest, unknown())
		return
	}
	redirect(w, r.URL.Path+"?"+form.Encode())
}

// answer shows a view, or goes where it says.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, view *connectionv1.ConnectView) {
	if view.GetKind() == connectionv1.ConnectView_REDIRECT {
		redirect(w, view.GetUrl())
		return
	}
	page, code := pageOf(view)
	show(w, r, code, page)
}

// fail says that it is our fault, and to the log why. What the request itself had wrong is a link that nobody made.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	if status.Code(err) == codes.InvalidArgument {
		show(w, r, http.StatusNotFound, unknown())
		return
	}
	h.logger.WarnContext(r.Context(), "page for an end user not made", "path", r.Pattern, "error", err)
	w.Header().Set("Retry-After", "10")
	show(w, r, http.StatusServiceUnavailable, broken())
}

// outgoing is the context of a call, which carries nothing of the request's credentials.
func outgoing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(metadata.NewOutgoingContext(ctx, nil), callTimeout)
}

// cookieName is one that only this host can set, where browsers come by https.
func (h *Handler) cookieName() string {
	if h.secure {
		return "__Host-freshet-connect"
	}
	return "freshet-connect"
}

// known is how the browser is known; empty if it is not.
func (h *Handler) known(r *http.Request) string {
	cookie, err := r.Cookie(h.cookieName())
	if err != nil || len(cookie.Value) < 20 || len(cookie.Value) > 128 {
		return ""
	}
	return cookie.Value
}

// remember makes the browser known. The cookie comes back when the provider sends the browser here (Lax), not with what other sites have it do.
func (h *Handler) remember(w http.ResponseWriter, browser string) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure where browsers come by https; by http there would be no cookie.
		Name: h.cookieName(), Value: browser, Path: "/", MaxAge: int(cookieLife.Seconds()), Secure: h.secure, HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
}

// redirect sends the browser elsewhere, by GET.
func redirect(w http.ResponseWriter, target string) {
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther)
}
