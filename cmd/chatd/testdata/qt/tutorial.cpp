// The chat client of many Qt introductions: what is typed goes out behind the name
// and a colon, as it is and without an end, what comes in becomes an item of a list,
// and others read when somebody enters or leaves.
//
//	tutorial PORT NAME
//
// It types what comes on its standard input, line by line, leaves at the end of
// that, and prints every new item of the list.
#include <QApplication>
#include <QHostAddress>
#include <QLineEdit>
#include <QListWidget>
#include <QPushButton>
#include <QSocketNotifier>
#include <QTcpSocket>
#include <QVBoxLayout>
#include <cstdio>
#include <unistd.h>

int main(int argc, char **argv) {
	QApplication app(argc, argv);
	if (argc != 3) {
		std::fprintf(stderr, "usage: tutorial PORT NAME\n");
		return 2;
	}
	const QString name = QString::fromUtf8(argv[2]);

	QWidget window;
	auto *list = new QListWidget;
	auto *line = new QLineEdit;
	auto *send = new QPushButton(QStringLiteral("发送"));
	auto *layout = new QVBoxLayout(&window);
	layout->addWidget(list);
	layout->addWidget(line);
	layout->addWidget(send);
	window.show();

	QTcpSocket socket;
	auto write = [&](const QString &text) { socket.write((name + QLatin1Char(':') + text).toUtf8()); };
	QObject::connect(&socket, &QTcpSocket::connected, [&] { write(QStringLiteral("进入聊天室")); });
	QObject::connect(&socket, &QTcpSocket::disconnected, &app, &QApplication::quit);
	QObject::connect(&socket, &QTcpSocket::errorOccurred, [&](QAbstractSocket::SocketError error) {
		if (error == QAbstractSocket::RemoteHostClosedError)
			return;
		std::fprintf(stderr, "%s\n", qUtf8Printable(socket.errorString()));
		app.exit(1);
	});
	QObject::connect(&socket, &QTcpSocket::readyRead, [&] {
		while (socket.bytesAvailable() > 0)
			list->addItem(QString::fromUtf8(socket.read(socket.bytesAvailable())));
	});
	QObject::connect(send, &QPushButton::clicked, [&] {
		if (!line->text().isEmpty())
			write(line->text());
		line->clear();
	});
	QObject::connect(list->model(), &QAbstractItemModel::rowsInserted, [&](const QModelIndex &, int first, int last) {
		for (int i = first; i <= last; i++)
			std::printf("%s\n", qUtf8Printable(list->item(i)->text()));
		std::fflush(stdout);
	});

	QByteArray typed;
	QSocketNotifier keyboard(STDIN_FILENO, QSocketNotifier::Read);
	QObject::connect(&keyboard, &QSocketNotifier::activated, [&] {
		char keys[512];
		const ssize_t n = ::read(STDIN_FILENO, keys, sizeof keys);
		if (n <= 0) {
			keyboard.setEnabled(false);
			write(QStringLiteral("离开聊天室"));
			socket.disconnectFromHost();
			return;
		}
		typed.append(keys, n);
		for (qsizetype end; (end = typed.indexOf('\n')) >= 0; typed.remove(0, end + 1)) {
			line->setText(QString::fromUtf8(typed.left(end)));
			send->click();
		}
	});
	socket.connectToHost(QHostAddress(QHostAddress::LocalHost), QString::fromLatin1(argv[1]).toUShort());
	return app.exec();
}
