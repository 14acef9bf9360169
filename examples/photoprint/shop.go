package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"sync"
)

//go:embed shop.html
var pages string

// shop is PrintPixie. It knows no drive, no token and no API but Freshet's.
type shop struct {
	freshet *freshet
	url     string
	drives  map[string]string // names by id, to choose from
	pages   *template.Template

	mu     sync.Mutex
	orders []order
}

// order is a photo to be printed.
type order struct {
	customer, drive, photo string
	Number, Bytes          int
}

// photo is one as the interface gives it, whatever drive it is from.
type photo struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

const customerCookie = "customer"

func newShop(f *freshet, at string, drives []*drive) (*shop, error) {
	parsed, err := template.New("shop").Parse(pages)
	if err != nil {
		return nil, err
	}
	s := &shop{freshet: f, url: at, drives: map[string]string{}, pages: parsed}
	for _, d := range drives {
		s.drives[d.id] = d.name
	}
	return s, nil
}

// handler serves the shop. A customer is who has the cookie: there are no passwords here.
func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request, string) error{
		"GET /{$}":               s.home,
		"POST /connect/{drive}":  s.connect,
		"GET /connected/{drive}": s.connected,
		"GET /photos/{drive}":    s.photos,
		"GET /thumbnails/{drive}/{id}": func(w http.ResponseWriter, r *http.Request, customer string) error {
			return s.picture(w, r, customer, "thumbnail")
		},
		"GET /originals/{drive}/{id}": func(w http.ResponseWriter, r *http.Request, customer string) error {
			return s.picture(w, r, customer, "original")
		},
		"POST /orders/{drive}/{id}": s.order,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			err := serve(w, r, customerOf(w, r))
			if wrong, ok := errors.AsType[*problem](err); ok {
				http.Error(w, wrong.Error(), wrong.Status)
			} else if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	return mux
}

// customerOf names the customer; a new one gets a name.
func customerOf(w http.ResponseWriter, r *http.Request) string {
	if cookie, err := r.Cookie(customerCookie); err == nil && len(cookie.Value) == len(rand.Text()) {
		return cookie.Value
	}
	name := rand.Text()
	http.SetCookie(w, &http.Cookie{Name: customerCookie, Value: name, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // The shop is served over http.
	return name
}

// account is where a customer's account at a drive is.
func account(r *http.Request, customer string) string {
	return project + "/connections/" + url.PathEscape(r.PathValue("drive")) + "/grants/" + customer
}

func (s *shop) home(w http.ResponseWriter, _ *http.Request, _ string) error {
	return s.pages.ExecuteTemplate(w, "home", s.drives)
}

// connect sends the customer to Freshet, and from there to the drive.
func (s *shop) connect(w http.ResponseWriter, r *http.Request, customer string) error {
	drive := url.PathEscape(r.PathValue("drive"))
	var session struct {
		ConnectURL string `json:"connectUrl"`
	}
	err := s.freshet.call(r.Context(), http.MethodPost, project+"/connections/"+drive+":startAuthorization", map[string]any{
		"grantId": customer, "endUserId": customer, "returnUrl": s.url + "/connected/" + drive,
	}, &session)
	if err == nil {
		http.Redirect(w, r, session.ConnectURL, http.StatusSeeOther)
	}
	return err
}

// connected is where the customer comes back. What the URL says, anybody can write, so Freshet is asked.
func (s *shop) connected(w http.ResponseWriter, r *http.Request, customer string) error {
	var grant struct{ State string }
	if err := s.freshet.call(r.Context(), http.MethodGet, account(r, customer), nil, &grant); err != nil {
		return err
	}
	if grant.State != "AUTHORIZED" {
		return s.pages.ExecuteTemplate(w, "home", s.drives) // once more
	}
	http.Redirect(w, r, "/photos/"+url.PathEscape(r.PathValue("drive")), http.StatusSeeOther)
	return nil
}

// called is what an operation answers.
type called struct {
	Output   string
	Download struct {
		URI     string
		Headers map[string]string
	}
}

// operate does step 4 of the README: an operation on a customer's account, whatever drive it is at.
func (s *shop) operate(ctx context.Context, on, operation string, input any) (out called, err error) {
	text, err := json.Marshal(input)
	if err != nil {
		return out, err
	}
	err = s.freshet.call(ctx, http.MethodPost, on+":call", map[string]any{
		"interface": "photos", "operation": operation, "input": string(text), "allPages": true,
	}, &out)
	return out, err
}

func (s *shop) photos(w http.ResponseWriter, r *http.Request, customer string) error {
	answer, err := s.operate(r.Context(), account(r, customer), "listPhotos", map[string]any{})
	if err != nil {
		return err
	}
	var found []photo
	if err := json.Unmarshal([]byte(answer.Output), &found); err != nil {
		return err
	}
	return s.pages.ExecuteTemplate(w, "photos", map[string]any{"Drive": r.PathValue("drive"), "Name": s.drives[r.PathValue("drive")], "Photos": found})
}

// open fetches a picture through Freshet, which streams it.
func (s *shop) open(r *http.Request, customer, operation string) (*http.Response, error) {
	answer, err := s.operate(r.Context(), account(r, customer), operation, map[string]any{"id": r.PathValue("id")})
	if err != nil {
		return nil, err
	}
	response, err := s.freshet.do(r.Context(), http.MethodGet, answer.Download.URI, nil, answer.Download.Headers)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return nil, &problem{Status: response.StatusCode, Reason: "no such photo", Detail: response.Status}
	}
	return response, nil
}

func (s *shop) picture(w http.ResponseWriter, r *http.Request, customer, operation string) error {
	response, err := s.open(r, customer, operation)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.Copy(w, response.Body) // the customer may have left
	return nil
}

// order takes the photo in high resolution and sends it to the printer, which is not there: it counts the bytes.
func (s *shop) order(w http.ResponseWriter, r *http.Request, customer string) error {
	response, err := s.open(r, customer, "original")
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	bytes, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return fmt.Errorf("the photo did not come to its end: %w", err)
	}
	s.mu.Lock()
	placed := order{customer: customer, drive: r.PathValue("drive"), photo: r.PathValue("id"), Number: len(s.orders) + 1, Bytes: int(bytes)}
	s.orders = append(s.orders, placed)
	s.mu.Unlock()
	return s.pages.ExecuteTemplate(w, "order", placed)
}
