package connectpage

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

// page is what is shown.
type page struct {
	Title string
	Text  []string
	// Ask has the button, with Application, Provider and Scopes.
	Ask                   bool
	Application, Provider string
	Scopes                []*connectionv1.ConnectView_Scope
	Style                 template.CSS
}

// pageOf is the page for a view, with its status.
func pageOf(v *connectionv1.ConnectView) (page, int) {
	const again = "Go back to where you came from and start again."
	switch v.GetKind() {
	case connectionv1.ConnectView_ASK:
		p := page{
			Title: "Connect " + v.GetProviderName() + " with " + v.GetApplicationName(), Ask: true, Application: v.GetApplicationName(),
			Provider: v.GetProviderName(), Scopes: v.GetScopes(),
		}
		if v.GetConnectionDescription() != "" {
			p.Text = []string{v.GetConnectionDescription()}
		}
		return p, http.StatusOK
	case connectionv1.ConnectView_CONNECTED:
		return page{Title: "Your account is connected", Text: []string{"You can close this page."}}, http.StatusOK
	case connectionv1.ConnectView_DENIED:
		return page{Title: "Your account is not connected", Text: []string{"You did not agree, so nothing was changed.", again}}, http.StatusOK
	case connectionv1.ConnectView_FAILED:
		return page{Title: "Your account could not be connected", Text: []string{why(v.GetReason()), again}}, http.StatusBadGateway
	case connectionv1.ConnectView_PENDING:
		return page{
			Title: "Your account is being connected",
			Text:  []string{"This takes longer than usual. You can close this page, or reload it to see how it went."},
		}, http.StatusAccepted
	case connectionv1.ConnectView_EXPIRED:
		return page{Title: "This took too long", Text: []string{"The link has expired.", again}}, http.StatusGone
	case connectionv1.ConnectView_OTHER_BROWSER:
		return page{
			Title: "This was begun in another browser",
			Text: []string{
				"An account can only be connected in the browser in which it was begun. If somebody sent you this link, do not use it.",
				"If it was you, go on there, or start again here. If cookies are switched off in this browser, allow them.",
			},
		}, http.StatusForbidden
	case connectionv1.ConnectView_USED:
		return page{Title: "This link was used already", Text: []string{"A link works once.", again}}, http.StatusGone
	default:
		return unknown(), http.StatusNotFound
	}
}

// why says for the end user what went wrong; the application learns more.
func why(reason errorsv1.Reason) string {
	switch reason {
	case errorsv1.Reason_PROVIDER_REFUSED:
		return "The provider did not accept the request."
	case errorsv1.Reason_ISSUER_MISMATCH, errorsv1.Reason_ID_TOKEN_REFUSED:
		return "The answer was not the provider's, or not to this request. For your safety it was not used."
	case errorsv1.Reason_ACCOUNT_UNKNOWN:
		return "The provider did not say enough about your account. It may not be of the kind that is needed."
	case errorsv1.Reason_CLIENT_BROKEN, errorsv1.Reason_CONFIGURATION, errorsv1.Reason_EGRESS_DENIED, errorsv1.Reason_SECRET_UNREADABLE:
		return "The application is not set up correctly at the provider. Its operator can see why."
	default:
		return "The provider did not give access."
	}
}

func unknown() page {
	return page{
		Title: "There is nothing here",
		Text:  []string{"The link is not complete, was replaced by a newer one, or is very old.", "Go back to where you came from and start again."},
	}
}

func elsewhere() page {
	return page{Title: "This came from another site", Text: []string{"Open the link itself, and use the button there."}}
}

func cookieless() page {
	return page{
		Title: "Cookies are needed",
		Text:  []string{"Without a cookie nobody could tell whether the answer of the provider is for you. Allow cookies for this site, and open the link again."},
	}
}

func busy() page {
	return page{Title: "Too many requests", Text: []string{"Wait a moment and reload the page."}}
}

func broken() page {
	return page{Title: "This does not work at the moment", Text: []string{"It is not your fault. Wait a moment and reload the page."}}
}

// setHeaders are those of every answer: what is shown is for this browser at this moment, and for nobody's frame.
func setHeaders(h http.Header) {
	sum := sha256.Sum256([]byte(styleText))
	h.Set("Cache-Control", "no-store")
	// What a form leads to counts as its target, too: a provider.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; form-action 'self' https: http://localhost:* http://127.0.0.1:*; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// show writes a page.
func show(w http.ResponseWriter, r *http.Request, code int, p page) {
	p.Style = template.CSS(styleText) //nolint:gosec // It is ours, and the same for all.
	if p.Ask {
		w.Header().Set("Referrer-Policy", "same-origin") // with no-referrer the form would be sent with the origin "null"
	}
	var text bytes.Buffer
	t, err := template.New("page").Parse(pageText)
	if err == nil {
		err = t.Execute(&text, p)
	}
	if err != nil { // the tests render every page
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(text.Len()))
	w.WriteHeader(code)
	if r.Method != http.MethodHead {
		_, _ = w.Write(text.Bytes()) // The browser may have left.
	}
}
