// kde_send.cpp - KDE's library for sending mail, without a desktop: what KMail's parts do, and nothing else.
//
//     kde_send HOST PORT FROM TO <MESSAGE
//
// STARTTLS, then the login as the page has it: that is login.inc.  Trusts SSL_CERT_FILE, which Qt does not look at itself.
// Prints what went wrong; exits with 0 if the mail is out, else 1.
#include <KSMTP/LoginJob>
#include <KSMTP/SendJob>
#include <KSMTP/Session>
#include <QCoreApplication>
#include <QFile>
#include <QSslConfiguration>
#include <cstdio>
#include <functional>

static int ends(const QString &text)
{
    fprintf(stderr, "%s\n", qPrintable(text));
    QCoreApplication::exit(1);
    return 1;
}

// Goes on with next when the job is done.
static void start(KJob *job, const std::function<void()> &next)
{
    QObject::connect(job, &KJob::result, [=] { job->error() ? (void)ends(job->errorString()) : next(); });
    job->start();
}

static void send(KSmtp::Session *session, const QStringList &words)
{
    QFile message;
    auto *job = new KSmtp::SendJob(session);
    message.open(stdin, QIODevice::ReadOnly);
    job->setFrom(words[3]);
    job->setTo(QStringList(words[4]));
    job->setData(message.readAll());
    start(job, [] { QCoreApplication::exit(0); });
}

static void log_in(KSmtp::Session *session, const QStringList &words)
{
#include "login.inc"
    start(job, [=] { send(session, words); });
}

static void trust(const QString &file)
{
    QSslConfiguration tls = QSslConfiguration::defaultConfiguration();
    tls.setCaCertificates(QSslCertificate::fromPath(file));
    QSslConfiguration::setDefaultConfiguration(tls);
}

static void changed(KSmtp::Session *session, const QStringList &words)
{
    if (session->state() == KSmtp::Session::NotAuthenticated)
        log_in(session, words);
    else if (session->state() == KSmtp::Session::Disconnected)
        ends("the server hung up");
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QStringList words = app.arguments();
    if (words.size() != 5)
        return ends("usage: kde_send HOST PORT FROM TO <MESSAGE");
    trust(qEnvironmentVariable("SSL_CERT_FILE"));
    KSmtp::Session session(words[1], words[2].toUShort());
    session.setEncryptionMode(KSmtp::Session::STARTTLS);
    QObject::connect(&session, &KSmtp::Session::connectionError, ends);
    QObject::connect(&session, &KSmtp::Session::stateChanged, [&] { changed(&session, words); });
    session.open();
    return app.exec();
}
